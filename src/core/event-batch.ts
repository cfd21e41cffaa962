/**
 * The unit of flow between parser and analysis: a struct of arrays, one row per recorded event.
 *
 * 64-bit columns are kept as pairs of 32-bit words, low word first (the memory layout of a little-endian
 * Int64Array, so Arrow gets them without conversion). Hot loops read words and never make a BigInt.
 */

import type { Arena } from './arena.ts';
import { allocateTable, type ColumnSpec, viewTable } from './column-table.ts';
import { NO_CPU, UNKNOWN } from './event-columns.ts';

/** Rows of a batch: 64 Ki, as the Arrow files use. */
export const BATCH_ROWS = 65536;

export * from './event-columns.ts';

export interface EventBatch {
  /** Rows in use; the columns may be longer. */
  length: number;
  readonly capacity: number;
  /** Nanoseconds on the capture's clock, signed 64 bit as [low, high] word pairs. */
  readonly time: Uint32Array;
  /** CPU that recorded the event, or NO_CPU. */
  readonly cpu: Uint16Array;
  /** Host thread id (a vCPU is a thread), or UNKNOWN. */
  readonly tid: Int32Array;
  /** Host process id (tgid) if the record itself carries it, or UNKNOWN. */
  readonly pid: Int32Array;
  /** vCPU number if the record itself carries it, or UNKNOWN. */
  readonly vcpu: Int32Array;
  /** Event code: see EventDictionary. */
  readonly event: Uint16Array;
  /** ISA code (src/core/isa-codes.ts) of the reason in `code`. */
  readonly isa: Uint8Array;
  /** Reason number as recorded: exit reason of exits, KVM_EXIT_* of userspace exits. */
  readonly code: Uint32Array;
  /** Guest RIP/PC of exits and entries; port, GPA, MSR, leaf … of detail events (docs/events.md). Word pairs. */
  readonly address: Uint32Array;
  readonly info1: Uint32Array;
  readonly info2: Uint32Array;
  readonly intrInfo: Uint32Array;
  readonly errorCode: Uint32Array;
  readonly arg0: Uint32Array;
  readonly arg1: Uint32Array;
  /** Code into the capture's string dictionary (marker text, device names), or UNKNOWN. */
  readonly text: Int32Array;
  /** F_* bits. */
  readonly fields: Uint16Array;
}

/** A batch that kernels can work on. */
export interface ArenaBatch extends EventBatch {
  readonly arena: Arena;
  /** Address of the table of its columns there (event-columns.ts). */
  readonly table: number;
}

export function createEventBatch(capacity: number = BATCH_ROWS): EventBatch {
  return {
    length: 0,
    capacity,
    time: new Uint32Array(2 * capacity),
    cpu: new Uint16Array(capacity),
    tid: new Int32Array(capacity),
    pid: new Int32Array(capacity),
    vcpu: new Int32Array(capacity),
    event: new Uint16Array(capacity),
    isa: new Uint8Array(capacity),
    code: new Uint32Array(capacity),
    address: new Uint32Array(2 * capacity),
    info1: new Uint32Array(2 * capacity),
    info2: new Uint32Array(2 * capacity),
    intrInfo: new Uint32Array(capacity),
    errorCode: new Uint32Array(capacity),
    arg0: new Uint32Array(2 * capacity),
    arg1: new Uint32Array(2 * capacity),
    text: new Int32Array(capacity),
    fields: new Uint16Array(capacity),
  };
}

/** In the order of their table (event-columns.ts). */
const COLUMNS = {
  time: [Uint32Array, 2],
  cpu: [Uint16Array, 1],
  tid: [Int32Array, 1],
  pid: [Int32Array, 1],
  vcpu: [Int32Array, 1],
  event: [Uint16Array, 1],
  isa: [Uint8Array, 1],
  code: [Uint32Array, 1],
  address: [Uint32Array, 2],
  info1: [Uint32Array, 2],
  info2: [Uint32Array, 2],
  intrInfo: [Uint32Array, 1],
  errorCode: [Uint32Array, 1],
  arg0: [Uint32Array, 2],
  arg1: [Uint32Array, 2],
  text: [Int32Array, 1],
  fields: [Uint16Array, 1],
} as const satisfies ColumnSpec;

export function createArenaBatch(arena: Arena, capacity: number): ArenaBatch {
  return arenaBatchAt(arena, allocateTable(arena, COLUMNS, capacity));
}

/** The batch whose table lies at `table`: made by another thread, maybe. */
export function arenaBatchAt(arena: Arena, table: number): ArenaBatch {
  return { length: 0, arena, table, ...viewTable(arena, COLUMNS, table) };
}

/** Whether kernels of the arena can work on the batch. */
export function liesIn(arena: Arena, batch: EventBatch): batch is ArenaBatch {
  return (batch as Partial<ArenaBatch>).arena === arena;
}

const COLUMN_NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

/** Makes rows [from, from + rows) of `source` the rows of `target`. */
export function copyRows(source: EventBatch, from: number, target: EventBatch, rows: number): void {
  for (const name of COLUMN_NAMES) {
    const each = COLUMNS[name][1];
    target[name].set(source[name].subarray(each * from, each * (from + rows)));
  }
  target.length = rows;
}

/** Resets one row to "nothing recorded"; word columns keep garbage, `fields` says that they do not apply. */
export function clearRow(batch: EventBatch, row: number): void {
  batch.cpu[row] = NO_CPU;
  batch.tid[row] = UNKNOWN;
  batch.pid[row] = UNKNOWN;
  batch.vcpu[row] = UNKNOWN;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = UNKNOWN;
  batch.fields[row] = 0;
}

/** Copies row `from` of `source` over row `to` of `target`. */
export function copyRow(source: EventBatch, from: number, target: EventBatch, to: number): void {
  const f = 2 * from;
  const t = 2 * to;
  target.time[t] = source.time[f];
  target.time[t + 1] = source.time[f + 1];
  target.cpu[to] = source.cpu[from];
  target.tid[to] = source.tid[from];
  target.pid[to] = source.pid[from];
  target.vcpu[to] = source.vcpu[from];
  target.event[to] = source.event[from];
  target.isa[to] = source.isa[from];
  target.code[to] = source.code[from];
  target.address[t] = source.address[f];
  target.address[t + 1] = source.address[f + 1];
  target.info1[t] = source.info1[f];
  target.info1[t + 1] = source.info1[f + 1];
  target.info2[t] = source.info2[f];
  target.info2[t + 1] = source.info2[f + 1];
  target.intrInfo[to] = source.intrInfo[from];
  target.errorCode[to] = source.errorCode[from];
  target.arg0[t] = source.arg0[f];
  target.arg0[t + 1] = source.arg0[f + 1];
  target.arg1[t] = source.arg1[f];
  target.arg1[t + 1] = source.arg1[f + 1];
  target.text[to] = source.text[from];
  target.fields[to] = source.fields[from];
}
