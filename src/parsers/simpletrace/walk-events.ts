/**
 * Calls the kernel that makes rows of events (src/kernels/simple-records.ts) and keeps its view: the usual case, because
 * files hold millions of them. It knows events of version 4, little endian, whose arguments are numbers.
 */
import { type Arena, allocate, allocateI32 } from '../../core/arena.ts';
import {
  type ArenaBatch,
  EVENT_ADDRESS,
  EVENT_ARG0,
  EVENT_ARG1,
  EVENT_CODE,
  EVENT_ERROR_CODE,
  EVENT_INFO1,
  EVENT_INFO2,
  EVENT_INTR_INFO,
  EVENT_VCPU,
} from '../../core/event-batch.ts';
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
} from '../columns.ts';
import { NO_COLUMN } from '../qemu-events/argument-columns.ts';
import type { ArgumentPlan } from './event-plans.ts';
import {
  MAX_ARGUMENTS,
  PLAN_ARGUMENTS,
  PLAN_BYTES,
  PLAN_COUNT,
  PLAN_EVENT,
  PLAN_FIELDS,
  PLAN_LENGTH,
  RECORD_ARGUMENTS,
  T_AT,
  T_BYTES,
  T_DISORDERED,
  T_END,
  T_PLAN_COUNT,
  T_PLANS,
  T_PREVIOUS,
  T_TABLE_BYTES,
  TYPE_BYTES,
  WIDE,
} from './walk-layout.ts';

/** Place of a column in the table of a batch, by C_* code. */
const PLACES = new Uint8Array(10);
PLACES[C_ADDRESS] = EVENT_ADDRESS | WIDE;
PLACES[C_INFO1] = EVENT_INFO1 | WIDE;
PLACES[C_INFO2] = EVENT_INFO2 | WIDE;
PLACES[C_ARG0] = EVENT_ARG0 | WIDE;
PLACES[C_ARG1] = EVENT_ARG1 | WIDE;
PLACES[C_CODE] = EVENT_CODE;
PLACES[C_INTR_INFO] = EVENT_INTR_INFO;
PLACES[C_ERROR_CODE] = EVENT_ERROR_CODE;
PLACES[C_VCPU] = EVENT_VCPU;

export interface EventWalk {
  readonly arena: Arena;
  /** Words at T_*. */
  readonly table: Int32Array;
  /** Plans that there is room for. */
  room: number;
  plans: DataView;
}

/** `bytes`: what records are read from, in the arena. */
export function createEventWalk(arena: Arena, bytes: Uint8Array): EventWalk {
  const table = allocateI32(arena, T_TABLE_BYTES / 4);
  table[T_BYTES / 4] = bytes.byteOffset;
  const walk = { arena, table, room: 0, plans: new DataView(arena.memory.buffer, 0, 0) };
  makeRoom(walk, 1024);
  return walk;
}

/** Ids are the events' numbers in QEMU (4069 in version 7.2): far fewer than the 65536 that may come here. */
function makeRoom(walk: EventWalk, room: number): void {
  const { arena, table, plans } = walk;
  const address = allocate(arena, room * PLAN_BYTES);
  const bytes = new Uint8Array(arena.memory.buffer, address, room * PLAN_BYTES);
  bytes.set(new Uint8Array(plans.buffer, plans.byteOffset, plans.byteLength));
  walk.plans = new DataView(arena.memory.buffer, address, room * PLAN_BYTES);
  walk.room = room;
  table[T_PLANS / 4] = address;
  table[T_PLAN_COUNT / 4] = room;
}

/** Says how the records of an id become rows; null: the kernel must not take them. */
export function planEvent(walk: EventWalk, id: number, code: number, layout: ArgumentPlan | null): void {
  if (id >= walk.room) {
    if (layout === null) return;
    makeRoom(walk, 2 ** Math.ceil(Math.log2(id + 1)));
  }
  const { plans } = walk;
  const at = id * PLAN_BYTES;
  plans.setUint32(at + PLAN_LENGTH, 0, true);
  if (layout === null || layout.columns.length > MAX_ARGUMENTS) return;
  let fields = 0;
  let kept = 0;
  for (const [i, column] of layout.columns.entries()) {
    if (column === NO_COLUMN) continue;
    plans.setUint8(at + PLAN_ARGUMENTS + 2 * kept, i);
    plans.setUint8(at + PLAN_ARGUMENTS + 2 * kept + 1, PLACES[column]);
    fields |= COLUMN_BITS[column];
    kept++;
  }
  plans.setUint16(at + PLAN_EVENT, code, true);
  plans.setUint16(at + PLAN_FIELDS, fields, true);
  plans.setUint8(at + PLAN_COUNT, kept);
  plans.setUint32(at + PLAN_LENGTH, RECORD_ARGUMENTS - TYPE_BYTES + layout.size, true);
}

/** What the kernel tells beside the batch's new length: `table` at T_AT, T_PREVIOUS and T_DISORDERED. */
export function walkEvents({ arena, table }: EventWalk, batch: ArenaBatch, at: number, end: number): void {
  table[T_AT / 4] = at;
  table[T_END / 4] = end;
  table[T_PREVIOUS / 4] = -1;
  table[T_DISORDERED / 4] = 0;
  batch.length = arena.kernels.takeEvents(table.byteOffset, batch.table, batch.length, batch.capacity);
}
