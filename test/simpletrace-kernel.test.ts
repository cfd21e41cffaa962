/**
 * The kernel that makes rows of simpletrace's events: against a plain decoder of single records, and, within the parser,
 * against files in big endian, which the kernel leaves to TypeScript.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocateU8, createArena } from '../src/core/arena.ts';
import { type ArenaBatch, createArenaBatch } from '../src/core/event-batch.ts';
import {
  C_ADDRESS,
  C_ARG0,
  C_ARG1,
  C_CODE,
  C_ERROR_CODE,
  C_INFO1,
  C_INFO2,
  C_INTR_INFO,
  C_VCPU,
  COLUMN_BITS,
  setColumn,
} from '../src/parsers/columns.ts';
import { NO_COLUMN } from '../src/parsers/qemu-events/argument-columns.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { createEventWalk, planEvent, walkEvents } from '../src/parsers/simpletrace/walk-events.ts';
import { T_AT, T_DISORDERED, T_PREVIOUS } from '../src/parsers/simpletrace/walk-layout.ts';
import { readTrace } from './support/qemu-traces.ts';
import { DROPPED_ID, type EncodedRecord, encode, number, string } from './support/simpletrace-encoder.ts';

const COLUMNS = [...[C_ADDRESS, C_INFO1, C_INFO2, C_ARG0, C_ARG1, C_CODE, C_INTR_INFO, C_ERROR_CODE, C_VCPU]];
const any64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -3n, max: 9n }).map((value) => BigInt.asUintN(64, value)),
);

/** Columns of the arguments, each at most once; null: no plan. */
const anyPlan = fc.option(
  fc.tuple(fc.shuffledSubarray(COLUMNS), fc.array(fc.nat(9), { maxLength: 3 })).map(([columns, skipped]) => {
    const all = [...columns];
    for (const at of skipped) all.splice(at, 0, NO_COLUMN);
    return all;
  }),
  { freq: 8 },
);

/** A record as it is written: what is wrong with it, if something is. */
const anyRecord = fc.record({
  id: fc.oneof(
    { weight: 20, arbitrary: fc.nat(3) },
    { weight: 1, arbitrary: fc.constantFrom(4, 1500, 2 ** 32) },
  ),
  step: fc.integer({ min: -1, max: 5 }),
  pid: fc.integer({ min: -1, max: 5 }),
  values: fc.array(any64, { minLength: 12, maxLength: 12 }),
  type: fc.oneof(
    { weight: 30, arbitrary: fc.constant(1n) },
    { weight: 1, arbitrary: fc.constantFrom(0n, 2n, 2n ** 32n + 1n) },
  ),
  longer: fc.oneof(
    { weight: 30, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-24, -1, 1, 8) },
  ),
});

const anyStart = fc.constantFrom(0n, 2n ** 32n - 3n, 2n ** 63n - 3n, -3n);

/** Rows as the columns that matter hold them. */
function rowsIn(batch: ArenaBatch): unknown[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const bits = batch.fields[row];
    const wide = (column: Uint32Array, code: number) =>
      bits & COLUMN_BITS[code] ? [column[2 * row], column[2 * row + 1]] : null;
    return {
      time: [batch.time[2 * row], batch.time[2 * row + 1]],
      plain: [batch.pid[row], batch.event[row], batch.vcpu[row], batch.text[row], batch.code[row], bits],
      narrow: [
        bits & COLUMN_BITS[C_INTR_INFO] ? batch.intrInfo[row] : null,
        bits & COLUMN_BITS[C_ERROR_CODE] ? batch.errorCode[row] : null,
      ],
      address: wide(batch.address, C_ADDRESS),
      info1: wide(batch.info1, C_INFO1),
      info2: wide(batch.info2, C_INFO2),
      arg0: wide(batch.arg0, C_ARG0),
      arg1: wide(batch.arg1, C_ARG1),
    };
  });
}

test('rows are those of a plain decoder, which stops where the kernel stops', () => {
  fc.assert(
    fc.property(
      fc.array(anyPlan, { minLength: 4, maxLength: 4 }),
      fc.array(anyRecord, { maxLength: 30 }),
      anyStart,
      fc.record({
        capacity: fc.integer({ min: 1, max: 40 }),
        used: fc.nat(3),
        at: fc.nat(40),
        cut: fc.nat(40),
      }),
      (plans, records, start, { capacity, used, at, cut }) => {
        const arena = createArena();
        const parts = [Buffer.alloc(at, 0xa5)];
        const times: bigint[] = [];
        let time = start;
        for (const { id, step, pid, values, type, longer } of records) {
          const args = values.slice(0, plans[id]?.length ?? 2);
          const bytes = Buffer.alloc(32 + 8 * args.length);
          time += BigInt(step);
          times.push(time);
          bytes.writeBigUInt64LE(type, 0);
          bytes.writeBigUInt64LE(BigInt(id), 8);
          bytes.writeBigInt64LE(BigInt.asIntN(64, time), 16);
          bytes.writeUInt32LE(24 + 8 * args.length + longer, 24);
          bytes.writeInt32LE(pid, 28);
          for (const [i, value] of args.entries()) bytes.writeBigUInt64LE(value, 32 + 8 * i);
          parts.push(bytes);
        }
        const file = Buffer.concat(parts);
        const end = Math.max(at, file.length - cut);
        const bytes = allocateU8(arena, file.length);
        bytes.set(file);
        const walk = createEventWalk(arena, bytes);
        for (const [id, columns] of plans.entries()) {
          // What an id was before must not matter.
          planEvent(walk, id, 77, { size: 8, columns: Int8Array.of(C_ARG1), strings: Uint8Array.of(0) });
          const layout = columns && {
            size: 8 * columns.length,
            columns: Int8Array.from(columns),
            strings: new Uint8Array(columns.length),
          };
          planEvent(walk, id, 100 + id, layout);
        }
        const batch = createArenaBatch(arena, capacity);
        const expected = createArenaBatch(arena, capacity);
        for (const one of [batch, expected]) {
          one.length = Math.min(used, capacity);
          one.time.fill(0);
          one.fields.fill(0xff);
          one.code.fill(3);
        }
        // The oracle.
        let p = at;
        let previous = -1;
        let disordered = false;
        for (const [i, { id, pid, values, type, longer }] of records.entries()) {
          const columns = plans[id] ?? null;
          if (columns === null || columns.length > 10 || type !== 1n || longer !== 0) break;
          const next = p + 32 + 8 * columns.length;
          if (next > end || expected.length === capacity) break;
          const row = expected.length++;
          const [low, high] = [
            Number(BigInt.asUintN(32, times[i])),
            Number(BigInt.asUintN(32, times[i] >> 32n)),
          ];
          const wrapped = BigInt.asIntN(64, times[i]);
          const before =
            row > 0
              ? (BigInt(expected.time[2 * row - 1] | 0) << 32n) + BigInt(expected.time[2 * row - 2])
              : wrapped;
          disordered ||= wrapped < before;
          expected.time.set([low, high], 2 * row);
          expected.pid[row] = pid;
          expected.event[row] = 100 + id;
          expected.vcpu[row] = expected.text[row] = -1;
          expected.code[row] = expected.fields[row] = 0;
          for (const [argument, column] of columns.entries())
            if (column !== NO_COLUMN)
              setColumn(
                expected,
                row,
                column,
                Number(BigInt.asUintN(32, values[argument])),
                Number(values[argument] >> 32n),
              );
          previous = p;
          p = next;
        }
        walkEvents(walk, batch, at, end);
        expect(rowsIn(batch)).toEqual(rowsIn(expected));
        const told = [T_AT, T_PREVIOUS, T_DISORDERED].map((word) => walk.table[word / 4]);
        expect(told).toEqual([p, previous, disordered ? 1 : 0]);
      },
    ),
    { numRuns: 400 },
  );
});

const TRACE_EVENTS = `
kvm_run_exit(int cpu_index, uint32_t reason) "%d %d"
kvm_vcpu_ioctl(int cpu_index, int type, void *arg) "%d %d %p"
plain_event(void) ""
memory_region_ops_read(int cpu_index, void *mr, uint64_t addr, uint64_t value, unsigned size, const char *name) ""
kvm_set_user_memory(uint16_t as, uint16_t slot, uint32_t flags, uint64_t guest_phys_addr, uint64_t memory_size, uint64_t userspace_addr, uint32_t fd, uint64_t fd_offset, int ret) ""
eleven(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j, int k) ""
`;
const NAMES = Array.from(TRACE_EVENTS.matchAll(/^(\w+)\(/gm), ([, name]) => name);
const ARGUMENTS = [2, 3, 0, 6, 9, 11];
/** Events without strings: bytes of a string that are read as a number depend on the byte order. */
const PLAIN = [0, 1, 2, 4, 5];

/** Mostly events as declared; names given anew, drops, other lengths, unknown numbers in between. */
const anyItem: fc.Arbitrary<{ record: (time: bigint) => EncodedRecord; step: number }> = fc.record({
  step: fc.integer({ min: -2, max: 100 }),
  record: fc.oneof(
    {
      weight: 20,
      arbitrary: fc
        .tuple(fc.nat(NAMES.length - 1), fc.array(any64, { minLength: 11, maxLength: 11 }))
        .map(([id, values]) => (time: bigint) => ({
          ...{ id: BigInt(id), time, pid: 7 },
          args: values
            .slice(0, ARGUMENTS[id])
            .map((value, i) => (id === 3 && i === 5 ? string(`dev${value % 4n}`) : number(value))),
        })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(NAMES.length), fc.nat(4)).map(([id, args]) => (time: bigint) => ({
        ...{ id: BigInt(id), time, pid: 7 },
        args: Array.from({ length: args }, (_, i) => number(BigInt(i))),
      })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...PLAIN, NAMES.length), fc.constantFrom(...PLAIN))
        .map(([id, name]) => () => ({
          id: BigInt(id),
          name: NAMES[name],
        })),
    },
    {
      weight: 1,
      arbitrary: fc.constant((time: bigint) => ({ id: DROPPED_ID, time, pid: 7, args: [number(3n)] })),
    },
  ),
});

test('a file in little endian reads as the same one in big endian does', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 80 }), fc.integer({ min: 1, max: 900 }), (items, maxRead) => {
      let time = 10n ** 12n;
      const records: EncodedRecord[] = NAMES.map((name, id) => ({ id: BigInt(id), name }));
      for (const { record, step } of items) {
        time += BigInt(step);
        records.push(record(time));
      }
      const read = (little: boolean) =>
        readTrace(simpletrace, encode(records, { little }).bytes, { maxRead, traceEvents: TRACE_EVENTS });
      const little = read(true);
      const big = read(false);
      expect(little.rows).toEqual(big.rows);
      expect(little.diagnostics).toEqual(big.diagnostics);
    }),
    { numRuns: 150 },
  );
});
