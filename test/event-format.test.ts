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
