/**
 * Pass `accesses`: every recorded access to a device, with or without an exit around it (QEMU-side recordings and KVM
 * without hardware support have none), the ioeventfds that QEMU registered, the names it has for memory regions, and
 * acknowledged interrupt vectors. Filters by thread, CPU and time choose accesses and acknowledgements; what QEMU
 * registered holds for all.
 */

import { type EventBatch, F_ADDRESS, F_ARG0, F_CODE } from '../core/event-batch.ts';
import {
  EV_EOI,
  EV_FAST_MMIO,
  EV_MEMORY_REGION_OPS_READ,
  EV_MEMORY_REGION_OPS_WRITE,
  EV_MMIO,
  EV_PIO,
  EV_PV_EOI,
  EV_SET_IOEVENTFD_MMIO,
  EV_SET_IOEVENTFD_PIO,
  MAX_EVENTS,
} from '../core/events.ts';
import type { KernelView } from '../core/kernel-view.ts';
import { directionOf } from './detail-key.ts';
import { addEventRows, createEventView } from './event-kernels.ts';
import { EV_BYTES } from './events-view-layout.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { hasDetails } from './recorded-events.ts';
import { threadInScope, timeInScope } from './thread-scope.ts';
import { createTopTable, floorOf, mergeTopTables, slotFor, type TopTable } from './top-table.ts';

const CAPACITY = 8192;

/** Ints of a key of `accesses`. */
export const A_EVENT = 0;
export const A_DIRECTION = 1;
export const A_LOW = 2;
export const A_HIGH = 3;

export interface AccessState {
  readonly scope: PassScope;
  /** EVENT, DIRECTION, LOW, HIGH. */
  accesses: TopTable;
  /** LOW, HIGH and whether it is a port (1); counted: registrations. */
  ioeventfds: TopTable;
  /** LOW, HIGH, text code of the name. */
  regions: TopTable;
  /** EVENT, vector: KVM stamps a paravirtual EOI twice, kvm_eoi first, then kvm_pv_eoi. */
  eois: TopTable;
  readonly key: Int32Array;
  /** null: events are looked at one by one. */
  readonly view: KernelView | null;
}

/** Keys and counts of a TopTable. */
export interface CountTable {
  readonly rows: number;
  readonly keys: Int32Array;
  readonly counts: Float64Array;
  readonly missed: Float64Array;
  /** 0: all keys are there. */
  readonly floor: number;
}

export interface AccessResult {
  readonly accesses: CountTable;
  readonly ioeventfds: CountTable;
  readonly regions: CountTable;
  readonly eois: CountTable;
}

const ACCESS = 1;
const IOEVENTFD = 2;
const REGION = 3;
const EOI = 4;

const KINDS: Uint8Array = (() => {
  const kinds = new Uint8Array(MAX_EVENTS);
  for (const event of [EV_PIO, EV_MMIO, EV_FAST_MMIO]) kinds[event] = ACCESS;
  for (const event of [EV_SET_IOEVENTFD_MMIO, EV_SET_IOEVENTFD_PIO]) kinds[event] = IOEVENTFD;
  for (const event of [EV_MEMORY_REGION_OPS_READ, EV_MEMORY_REGION_OPS_WRITE]) kinds[event] = REGION;
  for (const event of [EV_EOI, EV_PV_EOI]) kinds[event] = EOI;
  return kinds;
})();

function addAccesses(state: AccessState, batch: EventBatch): void {
  addEventRows(state.view, 'findKind', batch, (row) => {
    const kind = KINDS[batch.event[row]];
    if (kind !== 0) addRow(state, batch, row, kind);
  });
}

/** A read that KVM hands to user space is traced twice: when it leaves, and with its value once it was answered. */
function isUnsatisfiedRead(event: number, fields: number, code: number): boolean {
  return event === EV_MMIO && (fields & F_CODE) !== 0 && code === 0;
}

function inScope(scope: PassScope, batch: EventBatch, row: number): boolean {
  const cpus = scope.selection?.cpus ?? null;
  return (
    (cpus === null || cpus.has(batch.cpu[row])) &&
    threadInScope(scope, batch.tid[row], batch.pid[row], batch.vcpu[row]) &&
    timeInScope(scope, batch.time[2 * row], batch.time[2 * row + 1])
  );
}

function addRow(state: AccessState, batch: EventBatch, row: number, kind: number): void {
  const { key } = state;
  const fields = batch.fields[row];
  const event = batch.event[row];
  if ((kind === EOI || kind === ACCESS) && !inScope(state.scope, batch, row)) return;
  if (kind === EOI) {
    if ((fields & F_ARG0) === 0 || (batch.arg0[2 * row] | 0) < 0) return;
    key[0] = event;
    key[1] = batch.arg0[2 * row] & 0xff;
    slotFor(state.eois, key);
    return;
  }
  if ((fields & F_ADDRESS) === 0) return;
  const low = batch.address[2 * row];
  const high = batch.address[2 * row + 1];
  if (kind === ACCESS) {
    const code = fields & F_CODE ? batch.code[row] : 0;
    // The answer follows, as a read of its own.
    if (isUnsatisfiedRead(event, fields, code)) return;
    key[A_EVENT] = event;
    key[A_DIRECTION] = directionOf(event, code);
    key[A_LOW] = low;
    key[A_HIGH] = high;
    slotFor(state.accesses, key);
    return;
  }
  key[0] = low;
  key[1] = high;
  if (kind === IOEVENTFD) {
    key[2] = event === EV_SET_IOEVENTFD_PIO ? 1 : 0;
    // `assign`: 0 takes one back, which happens at resets; the address stays one that QEMU has an ioeventfd for.
    if ((fields & F_CODE) === 0 || batch.code[row] !== 0) slotFor(state.ioeventfds, key);
  } else if (batch.text[row] >= 0) {
    key[2] = batch.text[row];
    slotFor(state.regions, key);
  }
}

function countTable(top: TopTable): CountTable {
  return {
    rows: top.count,
    keys: top.keys,
    counts: top.observed,
    missed: top.missed,
    floor: floorOf(top),
  };
}

export const accessPass: Pass<null, AccessState, AccessResult> = {
  name: 'accesses',
  allColumns: false,
  wants: hasDetails,
  create: (_options, scope = EVERYTHING, arena = null) => ({
    scope,
    accesses: createTopTable(4, CAPACITY),
    ioeventfds: createTopTable(3, 1024),
    regions: createTopTable(3, 1024),
    eois: createTopTable(2, 512),
    key: new Int32Array(4),
    view: arena === null ? null : createEventView(arena, EV_BYTES, KINDS),
  }),
  events: addAccesses,
  merge: (state, other) => {
    for (const name of ['accesses', 'ioeventfds', 'regions', 'eois'] as const)
      mergeTopTables(state[name], other[name]);
  },
  plain: (state) => ({ ...state, view: null }),
  result: ({ accesses, ioeventfds, regions, eois }) => ({
    accesses: countTable(accesses),
    ioeventfds: countTable(ioeventfds),
    regions: countTable(regions),
    eois: countTable(eois),
  }),
};
