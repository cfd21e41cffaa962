import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Column, displayWidth, renderTable, truncate, wrapText } from '../src/report/table.ts';

describe('display width', () => {
  test.each([
    ['abc', 3],
    ['漢字', 4],
    ['e\u0301', 1],
    ['🙂', 2],
    ['ｆｕｌｌ', 8],
    ['한글', 4],
    ['…', 1],
    ['', 0],
  ])('%s takes %i columns', (text, width) => expect(displayWidth(text)).toBe(width));

  test('a cut text fits and says that it is cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const cut = truncate(text, width);
        expect(displayWidth(cut)).toBeLessThanOrEqual(width);
        if (cut !== text) expect(cut.endsWith('…')).toBe(true);
        else expect(displayWidth(text)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('tables', () => {
  const columns = [
    { title: 'name', align: 'left', shrinkTo: 6 },
    { title: 'count', align: 'right' },
    { title: 'share', align: 'right', gap: 1, drop: 2 },
    { title: 'note', align: 'left', drop: 1 },
  ] as const;
  const rows = [
    ['a', '1', '0.1%', 'first'],
    ['a longer name', '1,234', '99.9%', ''],
  ];

  test('columns line up by their kind', () => {
    expect(renderTable(columns, rows, { width: 100, indent: 2 })).toEqual([
      '  name           count share  note',
      '  a                  1  0.1%  first',
      '  a longer name  1,234 99.9%',
    ]);
  });
  test('where room is short, long cells are cut first', () => {
    expect(renderTable(columns, rows, { width: 32, indent: 2 })).toEqual([
      '  name        count share  note',
      '  a               1  0.1%  first',
      '  a longer …  1,234 99.9%',
    ]);
  });
  test('then columns go, the least important first, and the rest has its room back', () => {
    expect(renderTable(columns, rows, { width: 20, indent: 2 })).toEqual([
      '  name         count',
      '  a                1',
      '  a longer n…  1,234',
    ]);
  });
  test('lines never exceed the width as long as the fixed columns fit', () => {
    const cells = fc.tuple(
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.nat(99_999),
      fc.nat(100),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(cells, { maxLength: 5 }), fc.integer({ min: 16, max: 100 }), (table, width) => {
        const text = table.map((row) => row.map(String));
        for (const line of renderTable(columns, text, { width, indent: 2 }))
          expect(displayWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('titles and cuts', () => {
  const columns: Column[] = [
    { title: 'file', align: 'left', shrinkTo: 6, keepEnd: true },
    { title: 'cost before', align: 'right', drop: 1 },
    { title: 'after', align: 'right', titleAlone: 'cost after' },
  ];
  const rows = [['/captures/before.arrow', '1', '2']];

  test('a title that leans on its neighbour stands alone once that is gone', () => {
    expect(renderTable(columns, rows, { width: 60, indent: 0 })[0]).toBe(
      'file                    cost before  after',
    );
    const [title, row] = renderTable(columns, rows, { width: 22, indent: 0 });
    expect(title).toBe('file        cost after');
    expect(row).toBe('…ore.arrow           2');
  });

  test('paths lose their start, where they are alike', () => {
    expect(renderTable(columns, rows, { width: 30, indent: 0 })[1]).toBe('…ore.arrow            1      2');
  });
});

test('wrapped text keeps its words, fits, and keeps number and unit together', () => {
  expect(wrapText('in user space 57.65 ms', 20)).toEqual(['in user space', '57.65 ms']);
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }),
      fc.integer({ min: 10, max: 60 }),
      (words, width) => {
        const lines = wrapText(words.join(' '), width);
        expect(lines.join(' ')).toBe(words.join(' '));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      },
    ),
  );
});
