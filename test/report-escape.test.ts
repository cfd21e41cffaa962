import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainText } from '../src/core/plain-text.ts';
import { csvText, jsonString, markdownName, markdownText } from '../src/report/escape.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';

/** Independent of the code's own list: everything Unicode calls control, format, surrogate or a line separator. */
const STEERING =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u;

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'|`*_[]()<>@#!~$\\ \t\r\n\x1b=+-\u202e\u200b,"\'ab1') }),
);

describe('plain text', () => {
  test.each(HOSTILE_NAMES)('%j cannot steer a terminal', (name) =>
    expect(plainText(name)).not.toMatch(STEERING),
  );
  test('nor can any other text', () => {
    fc.assert(fc.property(anyText, (text) => !STEERING.test(plainText(text))));
  });
  test('what is harmless stays as it is', () => {
    for (const name of ['CPU 3/KVM', 'qemu-system-x86', 'große Straße', '漢字', 'привет', '🙂'])
      expect(plainText(name)).toBe(name);
  });
  test('what was there can be seen', () =>
    expect(plainText('\x1b[31m\n\r\t\u202e\ufeff\u{e0041}')).toBe(
      '\\x1b[31m\\n\\r\\t\\u202e\\ufeff\\u{e0041}',
    ));
});

/** What GFM makes of a table cell's text: pipes unescaped first, then a code span of N backticks. */
function renderCodeSpan(markdown: string): string | null {
  const unpiped = markdown.replaceAll('\\|', '|');
  const match = /^(`+)([\s\S]*?[^`]|)\1$/.exec(unpiped);
  if (!match) return null;
  const inner = match[2];
  // The fence must not occur inside, or the span would end there.
  if ([...inner.matchAll(/`+/g)].map((run) => run[0]).includes(match[1])) return null;
  return inner.startsWith(' ') && inner.endsWith(' ') && inner.trim() ? inner.slice(1, -1) : inner;
}

describe('Markdown', () => {
  test.each(HOSTILE_NAMES)('the name %j is one code span, without a free pipe', (name) => {
    const cell = markdownName(name);
    expect(cell.replaceAll('\\|', '')).not.toContain('|');
    if (name.trim()) expect(renderCodeSpan(cell)).toContain(plainText(name).trim().replace(/^`|`$/g, ''));
    expect(cell).not.toMatch(STEERING);
  });
  test('a name of blanks is said to be one, none is none', () => {
    expect([markdownName('  '), markdownName(''), markdownName(' a ')]).toEqual(['(blank)', '', '` a `']);
  });
  test('any name is one code span', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const plain = plainText(text);
        fc.pre(plain.trim() !== '' && !plain.includes('\\|'));
        const shown = renderCodeSpan(markdownName(text));
        // One blank on either side is the padding's or is stripped by the renderer.
        return shown !== null && (shown === plain || ` ${shown} ` === plain);
      }),
    );
  });
  test('sentences keep no markup, no mention and no link', () => {
    const text = markdownText('| *a* `b` <b> [x](y) @team https://evil.example _c_ kvm_exit 5 > 3');
    expect(text).toBe(
      '\\| \\*a\\* \\`b\\` &lt;b&gt; \\[x\\](y) @<!-- -->team https:<!-- -->//evil.example \\_c\\_ kvm_exit 5 &gt; 3',
    );
  });
});

/** A reader of RFC 4180 for one cell. */
const FORMULA = /^[=+\-@\t\r\n]/;

describe('CSV', () => {
  test('what is harmless stays as it is', () => {
    for (const name of ['CPU 3/KVM', 'a=1', '1+1', '漢字']) expect(csvText(name)).toBe(name);
  });
  test.each(HOSTILE_NAMES)('%j is no formula', (name) => expect(csvText(name)).not.toMatch(FORMULA));
  test('no text is', () => {
    fc.assert(fc.property(anyText, (text) => !FORMULA.test(csvText(text)) && !STEERING.test(csvText(text))));
  });
});

describe('JSON', () => {
  test.each(HOSTILE_NAMES)('%j comes back unchanged and cannot steer a terminal', (name) => {
    expect(JSON.parse(jsonString(name))).toBe(name);
    expect(jsonString(name)).not.toMatch(STEERING);
  });
  test('so does any text', () => {
    fc.assert(
      fc.property(
        anyText,
        (text) => JSON.parse(jsonString(text)) === text && !STEERING.test(jsonString(text)),
      ),
    );
  });
});
