/** What a binary record says by its recorded format, whatever that is like: sizes, signs, byte order, cut records. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createEventBatch,
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
} from '../src/core/event-batch.ts';
import { type NarrowColumn, RECORDED_FIELDS, type WideColumn } from '../src/core/event-fields.ts';
import { createEventDictionary } from '../src/core/events.ts';
import { ARM64_NOT_TRAP, ISA_ARM64, ISA_RISCV } from '../src/core/isa-codes.ts';
import { wordsToBigUint } from '../src/core/words.ts';
import { compileDecoder, decodeRecord } from '../src/parsers/tracepoint/decoder.ts';
import type { FormatField } from '../src/parsers/tracepoint/format.ts';

const WIDE = { address: F_ADDRESS, info1: F_INFO1, info2: F_INFO2, arg0: F_ARG0, arg1: F_ARG1 } as const;
const NARROW = { vcpu: 0, isa: F_ISA, code: F_CODE, intrInfo: F_INTR_INFO, errorCode: F_ERROR_CODE } as const;

interface Place {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

const field = (name: string, { offset, size, signed }: Place): FormatField => ({
  name,
  offset,
  size,
  signed,
  array: false,
  dynamic: null,
  type: '',
});

/** Row 1 of a batch whose columns held something else before. */
function decode(
  name: string,
  fields: readonly FormatField[],
  record: Uint8Array,
  little = true,
  kernel: string | null = null,
): EventBatch {
  const format = { system: 'kvm', name, id: 7, fields: new Map(fields.map((f) => [f.name, f])) };
  const decoder = compileDecoder(format, createEventDictionary(), little, kernel);
  const batch = createEventBatch(2);
  for (const column of [...Object.keys(WIDE), ...Object.keys(NARROW)] as (WideColumn | NarrowColumn)[])
    batch[column].fill(0x77);
  batch.fields.fill(0x1ff);
  // The record lies between other bytes.
  const memory = new Uint8Array(record.length + 32).fill(0xa5);
  memory.set(record, 13);
  decodeRecord(decoder, new DataView(memory.buffer), 13, record.length, batch, 1);
  return batch;
}

/** The integer at a place, byte by byte. */
function integerAt(record: Uint8Array, { offset, size, signed }: Place, little: boolean): bigint {
  const bytes = [...record.subarray(offset, offset + size)];
  if (little) bytes.reverse();
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return signed ? BigInt.asIntN(8 * size, value) : value;
}

const placeArbitrary = fc.record({
  offset: fc.integer({ min: 0, max: 60 }),
  size: fc.constantFrom(1, 2, 4, 8),
  signed: fc.boolean(),
});

test('columns hold the recorded integers, in either byte order; what a cut record lacks is unset', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(RECORDED_FIELDS)).chain((name) => {
        const columns = Object.entries(RECORDED_FIELDS[name]).filter(([c]) => c in WIDE || c in NARROW);
        const names = [...new Set(columns.flatMap(([, list]) => list))].filter((f) => f !== 'vcpu_pc');
        return fc.record({
          name: fc.constant(name),
          fields: fc
            .subarray(names)
            .chain((chosen) =>
              fc
                .array(placeArbitrary, { minLength: chosen.length, maxLength: chosen.length })
                .map((places) => chosen.map((f, i) => field(f, places[i]))),
            ),
        });
      }),
      fc.uint8Array({ minLength: 68, maxLength: 68 }),
      fc.oneof(fc.constant(68), fc.integer({ min: 0, max: 68 })),
      fc.boolean(),
      ({ name, fields }, bytes, length, little) => {
        const record = bytes.subarray(0, length);
        const batch = decode(name, fields, record, little);
        for (const column of [...Object.keys(WIDE), ...Object.keys(NARROW)] as (
          | WideColumn
          | NarrowColumn
        )[]) {
          const wanted = RECORDED_FIELDS[name][column];
          // Of the names that kernels gave a field, the first that the format has.
          const source = (typeof wanted === 'string' ? [wanted] : (wanted ?? []))
            .map((candidate) => fields.find((f) => f.name === candidate))
            .find((f) => f !== undefined);
          // Of 64 bits a narrow column takes the low word, which a cut record may still hold.
          const needed = source?.size === 8 && column in NARROW && little ? 4 : (source?.size ?? 0);
          const there = source !== undefined && source.offset + needed <= length;
          const value = there ? integerAt(bytes, source, little) : null;
          if (column in WIDE) {
            const bit = WIDE[column as WideColumn];
            expect((batch.fields[1] & bit) !== 0).toBe(there);
            if (value === null) continue;
            const [low, high] = batch[column].subarray(2, 4);
            expect([column, wordsToBigUint(low, high)]).toEqual([column, BigInt.asUintN(64, value)]);
          } else {
            const bit = NARROW[column as NarrowColumn];
            if (bit !== 0) expect((batch.fields[1] & bit) !== 0).toBe(there);
            const got = batch[column][1];
            if (value === null) {
              if (column === 'vcpu') expect(got).toBe(-1);
              if (column === 'isa' || column === 'code') expect(got).toBe(0);
            } else if (column === 'isa')
              // 1 and 2 are the kernel's numbers of VMX and SVM; any other keeps its low bits and is marked.
              expect(got).toBe([1n, 2n].includes(value) ? Number(value) : 128 + Number(value & 0x7fn));
            else
              expect([column, BigInt.asUintN(32, BigInt(got))]).toEqual([column, BigInt.asUintN(32, value)]);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

describe.each([true, false])('little endian: %s', (little) => {
  const record = (length: number, write: (view: DataView) => void) => {
    const bytes = new Uint8Array(length);
    write(new DataView(bytes.buffer));
    return bytes;
  };
  const exitOf = ({ isa, code, fields }: EventBatch) => [
    fields[1] & F_ISA ? isa[1] : null,
    fields[1] & F_CODE ? code[1] >>> 0 : null,
  ];

  test.each([
    ['ret', 'esr_ec'],
    ['idx', 'exit_reason'],
  ])('arm64: %s tells a trap, whose class is %s', (ret, ec) => {
    const fields = [
      field('vcpu_pc', { offset: 8, size: 8, signed: false }),
      field(ret, { offset: 16, size: 4, signed: false }),
      field(ec, { offset: 20, size: 4, signed: false }),
    ];
    const exit = (type: number, length = 24) =>
      decode(
        'kvm_exit',
        fields,
        record(24, (view) => {
          view.setUint32(16, type, little);
          view.setUint32(20, 36, little);
        }).subarray(0, length),
        little,
      );
    expect(exitOf(exit(2))).toEqual([ISA_ARM64, 36]);
    expect(exitOf(exit(0))).toEqual([ISA_ARM64, ARM64_NOT_TRAP >>> 0]);
    // Bit 31 only says that an SError was pending.
    expect(exitOf(exit(0x80000002))).toEqual([ISA_ARM64, 36]);
    expect(exitOf(exit(2, 23))).toEqual([ISA_ARM64, null]);
    expect(exitOf(exit(2, 19))).toEqual([ISA_ARM64, null]);
  });

  test('arm64: a trap is type 1 before 4.9, as its headers have it', () => {
    const fields = ['idx', 'exit_reason'].map((name, i) =>
      field(name, { offset: 16 + 4 * i, size: 4, signed: false }),
    );
    fields.push(field('vcpu_pc', { offset: 8, size: 8, signed: false }));
    const bytes = record(24, (view) => {
      view.setUint32(16, 1, little);
      view.setUint32(20, 36, little);
    });
    const exit = (kernel: string | null) => exitOf(decode('kvm_exit', fields, bytes, little, kernel));
    expect(exit('4.4.0-210-generic')).toEqual([ISA_ARM64, 36]);
    expect(exit('4.8.17')).toEqual([ISA_ARM64, 36]);
    for (const kernel of ['4.9.214', '4.19.191', '4.40.1', '14.4.1', null])
      expect(exit(kernel)).toEqual([ISA_ARM64, (ARM64_NOT_TRAP | 1) >>> 0]);
  });

  test('riscv: interrupts and exceptions of the same number are told apart, on 32 and on 64 bits', () => {
    const exit = (size: number, value: bigint) =>
      decode(
        'kvm_exit',
        [field('scause', { offset: 8, size, signed: false })],
        record(16, (view) =>
          size === 8 ? view.setBigUint64(8, value, little) : view.setUint32(8, Number(value), little),
        ),
        little,
      );
    expect(exitOf(exit(8, 5n))).toEqual([ISA_RISCV, 5]);
    expect(exitOf(exit(8, (1n << 63n) | 5n))).toEqual([ISA_RISCV, 0x80000005]);
    expect(exitOf(exit(4, 5n))).toEqual([ISA_RISCV, 5]);
    expect(exitOf(exit(4, 0x80000005n))).toEqual([ISA_RISCV, 0x80000005]);
    const cut = [field('scause', { offset: 8, size: 8, signed: false })];
    expect(exitOf(decode('kvm_exit', cut, new Uint8Array(15), little))).toEqual([null, null]);
  });

  test('arm64: a system register is known by all of its five numbers', () => {
    const names = ['Op0', 'Op1', 'CRn', 'CRm', 'Op2'];
    const fields = names.map((name, i) => field(name, { offset: 8 + i, size: 1, signed: false }));
    const bytes = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 12, 11, 5]);
    const batch = decode('kvm_sys_access', fields, bytes, little);
    expect(batch.fields[1] & F_ADDRESS).toBe(F_ADDRESS);
    expect([...batch.address.subarray(2, 4)]).toEqual([0x32cb5, 0]);
    const cut = decode('kvm_sys_access', fields, bytes.subarray(0, 12), little);
    expect(cut.fields[1] & F_ADDRESS).toBe(0);
    expect(decode('kvm_sys_access', fields.slice(0, 4), bytes, little).fields[1] & F_ADDRESS).toBe(0);
  });
});

test('x86: an exit_reason is no exception class of arm64', () => {
  const fields = ['exit_reason', 'idx', 'ret'].map((name, i) =>
    field(name, { offset: 8 + 4 * i, size: 4, signed: false }),
  );
  const bytes = new Uint8Array(20);
  bytes[8] = 48;
  const batch = decode('kvm_exit', fields.slice(0, 2), bytes);
  expect([batch.fields[1] & F_ISA, batch.code[1]]).toEqual([0, 48]);
});
