/** Format descriptions that no kernel writes. */
import { expect, test } from 'vitest';
import { createEventDictionary } from '../src/core/events.ts';
import { compileDecoder } from '../src/parsers/tracepoint/decoder.ts';
import { parseEventFormat } from '../src/parsers/tracepoint/format.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';

const text = (name: string, field: string) =>
  `name: ${name}\nID: 7\nformat:\n\tfield:int ${field};\toffset:8;\tsize:4;\tsigned:1;\n`;

test('names of anything: a decoder of an event of that name', () => {
  for (const name of [...HOSTILE_NAMES, 'toString', 'valueOf', 'hasOwnProperty'])
    for (const field of ['x', 'constructor', '__proto__', 'toString', name]) {
      const format = parseEventFormat(text(name, field), 'kvm');
      if (format === null) continue;
      const events = createEventDictionary();
      const { event, wide, narrow } = compileDecoder(format, events, true);
      expect([events.names[event], wide, narrow]).toEqual([format.name, [], []]);
    }
});

test('an event cannot be named as losses are', () => {
  expect(parseEventFormat(text('(lost)', 'x'), 'kvm')).toBeNull();
});

test('declarations of arrays, of several words and of none', () => {
  const fields = (...declarations: string[]) =>
    [
      ...parseEventFormat(
        `name: x\nID: 7\n${declarations.map((one) => `\tfield:${one};\toffset:8;\tsize:4;\tsigned:1;\n`).join('')}`,
        'kvm',
      )!.fields.values(),
    ].map(({ name, type, array, dynamic }) => [name, type, array, dynamic]);
  expect(
    fields(
      'int a',
      'unsigned long  b ',
      'char c[16]',
      'u8 d [ 4 ]',
      '__data_loc char[] e',
      '__rel_loc u8 *f',
      'struct g *h',
    ),
  ).toEqual([
    ['a', 'int', false, null],
    ['b', 'unsigned long', false, null],
    ['c', 'char', true, null],
    ['d', 'u8', true, null],
    ['e', '__data_loc char[]', true, 'data'],
    ['f', '__rel_loc u8 *', true, 'rel'],
    ['h', 'struct g *', false, null],
  ]);
  expect(fields('', ' ', '[4]', 'int 4', 'int a[2][3]', 'x]', 'int -')).toEqual([]);
});

test('lines of a megabyte take no longer than their bytes', () => {
  const long = [
    'a '.repeat(400_000),
    `${'a'.repeat(800_000)}-`,
    ' '.repeat(800_000),
    `x${'['.repeat(800_000)}`,
  ];
  const start = performance.now();
  for (const declaration of long)
    expect(parseEventFormat(text('kvm_exit', declaration), 'kvm')?.name).toBe('kvm_exit');
  expect(performance.now() - start).toBeLessThan(5000);
});
