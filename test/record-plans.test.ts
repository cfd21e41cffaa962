/** Columns that a kernel fills by a record plan are those of decodeRecord(), whatever the recorded format is like. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocateU8, allocateU32, createArena } from '../src/core/arena.ts';
import { createArenaBatch, createEventBatch, type EventBatch, F_ISA } from '../src/core/event-batch.ts';
import { RECORDED_FIELDS } from '../src/core/event-fields.ts';
import { createEventDictionary } from '../src/core/events.ts';
import { compileDecoder, decodeRecord } from '../src/parsers/tracepoint/decoder.ts';
import type { EventFormat, FormatField } from '../src/parsers/tracepoint/format.ts';
import { addRecordPlan, createRecordPlans } from '../src/parsers/tracepoint/record-plans.ts';

const NAMES = Object.keys(RECORDED_FIELDS);
const CORE = { elseIsa: 0, coreOnly: false, listed: false };
const arena = createArena();
const plans = createRecordPlans(arena);
const batch = createArenaBatch(arena, 4);
const bytes = allocateU8(arena, 4096);
const list = allocateU32(arena, 8);

interface Sample {
  readonly format: EventFormat;
  readonly record: Uint8Array;
}

/** An event with some of its fields, each of any size at any place, and a record that holds them all. */
const sampleArbitrary: fc.Arbitrary<Sample> = fc.constantFrom(...NAMES).chain((name) => {
  const names = [...new Set(Object.values(RECORDED_FIELDS[name]).flat())];
  return fc
    .record({
      chosen: fc.subarray(names),
      places: fc.array(
        fc.record({
          offset: fc.integer({ min: 0, max: 200 }),
          size: fc.constantFrom(1, 2, 4, 8),
          signed: fc.boolean(),
        }),
        { minLength: names.length, maxLength: names.length },
      ),
      record: fc.uint8Array({ minLength: 216, maxLength: 216 }),
      small: fc.boolean(),
    })
    .map(({ chosen, places, record, small }) => {
      const fields = new Map<string, FormatField>();
      for (const [i, field] of chosen.entries())
        fields.set(field, { name: field, ...places[i], array: false, dynamic: null, type: '' });
      return {
        format: { system: 'kvm', name, id: 7, fields },
        record: small ? record.map((byte) => byte & 3) : record,
      };
    });
});

function rowOf(b: EventBatch, row: number): unknown[] {
  const fields = b.fields[row];
  const words = (column: Uint32Array, bit: number) =>
    fields & bit ? [column[2 * row], column[2 * row + 1]] : null;
  return [
    fields,
    b.event[row],
    b.vcpu[row],
    b.isa[row],
    b.code[row],
    words(b.address, 1 << 2),
    words(b.info1, 1 << 3),
    words(b.info2, 1 << 4),
    fields & (1 << 5) ? b.intrInfo[row] : null,
    fields & (1 << 6) ? b.errorCode[row] : null,
    words(b.arg0, 1 << 7),
    words(b.arg1, 1 << 8),
  ];
}

test('the same columns as the rule', () => {
  const rule = createEventBatch(4);
  let planned = 0;
  fc.assert(
    fc.property(sampleArbitrary, fc.integer({ min: 0, max: 63 }), ({ format, record }, start) => {
      const decoder = compileDecoder(format, createEventDictionary(), true);
      bytes.fill(0xa5);
      bytes.set(record, start);
      const id = bytes[start] | (bytes[start + 1] << 8);
      if (!addRecordPlan(plans, id, decoder, CORE)) return;
      planned++;
      list.set([3, start]);
      const { byteOffset } = list;
      expect(
        arena.kernels.fillListed(plans.byteOffset, bytes.byteOffset, byteOffset, batch.table, 0, 1),
      ).toBe(1);
      decodeRecord(decoder, new DataView(record.buffer), 0, record.length, rule, 3);
      expect(rowOf(batch, 3)).toEqual(rowOf(rule, 3));
      plans.fill(0, id * 48, id * 48 + 48);
    }),
    { numRuns: 3000 },
  );
  expect(planned).toBeGreaterThan(1000);
});

test('an exit that does not say its ISA is of the host’s', () => {
  const fields = new Map<string, FormatField>([
    [
      'exit_reason',
      { name: 'exit_reason', offset: 8, size: 4, signed: false, array: false, dynamic: null, type: 'u32' },
    ],
  ]);
  const decoder = compileDecoder(
    { system: 'kvm', name: 'kvm_exit', id: 9, fields },
    createEventDictionary(),
    true,
  );
  bytes.fill(0);
  bytes.set([9, 0, 0, 0, 0, 0, 0, 0, 12]);
  expect(addRecordPlan(plans, 9, decoder, { ...CORE, elseIsa: 3 })).toBe(true);
  list.set([0, 0]);
  arena.kernels.fillListed(plans.byteOffset, bytes.byteOffset, list.byteOffset, batch.table, 0, 1);
  expect([batch.isa[0], batch.code[0], batch.fields[0] & F_ISA]).toEqual([3, 12, F_ISA]);
});

test('stops at a sample without a plan, and at one that TypeScript adds to', () => {
  bytes.fill(0);
  bytes.set([77], 0);
  list.set([0, 0]);
  const fill = () =>
    arena.kernels.fillListed(plans.byteOffset, bytes.byteOffset, list.byteOffset, batch.table, 0, 1);
  expect(fill()).toBe(0);
  const decoder = compileDecoder(
    { system: 'kvm', name: 'kvm_entry', id: 77, fields: new Map() },
    createEventDictionary(),
    true,
  );
  addRecordPlan(plans, 77, decoder, { ...CORE, listed: true });
  expect(fill()).toBe(0);
  addRecordPlan(plans, 77, decoder, CORE);
  expect(fill()).toBe(1);
});
