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
import { EVERYTHING, type Pass, type PassScope, type VcpuNumbers } from './pass.ts';
import { hasDetails } from './recorded-events.ts';
import { threadVerdict, timeInScope } from './thread-scope.ts';
import { createTopTable, floorOf, mergeTopTables, slotFor, type TopTable } from './top-table.ts';

const CAPACITY = 8192;
const EOI_CAPACITY = 512;
const WAITING_CAPACITY = 1 << 16;

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
  /** TID, then as in `accesses` (of an acknowledgement: its event, 0, vector, 0): chosen by a vCPU number not told yet. */
  waiting: TopTable;
  readonly key: Int32Array;
  readonly waitingKey: Int32Array;
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

/** Whether filters choose the row; null: that depends on its thread's vCPU number, which nothing has told yet. */
function verdict(scope: PassScope, batch: EventBatch, row: number): boolean | null {
  const cpus = scope.selection?.cpus ?? null;
  if (cpus !== null && !cpus.has(batch.cpu[row])) return false;
  if (!timeInScope(scope, batch.time[2 * row], batch.time[2 * row + 1])) return false;
  return threadVerdict(scope, batch.tid[row], batch.pid[row], batch.vcpu[row]);
}

function addRow(state: AccessState, batch: EventBatch, row: number, kind: number): void {
  if (kind === EOI || kind === ACCESS) addChosen(state, batch, row, kind);
  else addName(state, batch, row, kind);
}

function addChosen(state: AccessState, batch: EventBatch, row: number, kind: number): void {
  const { key } = state;
  const fields = batch.fields[row];
  key[A_EVENT] = batch.event[row];
  if (kind === EOI) {
    if ((fields & F_ARG0) === 0 || (batch.arg0[2 * row] | 0) < 0) return;
    key[A_DIRECTION] = 0;
    key[A_LOW] = batch.arg0[2 * row] & 0xff;
    key[A_HIGH] = 0;
  } else {
    if ((fields & F_ADDRESS) === 0) return;
    const code = fields & F_CODE ? batch.code[row] : 0;
    // The answer follows, as a read of its own.
    if (isUnsatisfiedRead(batch.event[row], fields, code)) return;
    key[A_DIRECTION] = directionOf(batch.event[row], code);
    key[A_LOW] = batch.address[2 * row];
    key[A_HIGH] = batch.address[2 * row + 1];
  }
  const chosen = verdict(state.scope, batch, row);
  if (chosen === null) {
    state.waitingKey[0] = batch.tid[row];
    state.waitingKey.set(key, 1);
    slotFor(state.waiting, state.waitingKey);
  } else if (chosen) count(state, key, 1);
}

const eoiKey = new Int32Array(2);

/** Counts an access, or an acknowledgement. */
function count(
  into: Pick<AccessState, 'accesses' | 'eois'>,
  key: Int32Array,
  times: number,
  missed = 0,
): void {
  const isEoi = KINDS[key[A_EVENT]] === EOI;
  const table = isEoi ? into.eois : into.accesses;
  eoiKey[0] = key[A_EVENT];
  eoiKey[1] = key[A_LOW];
  const slot = slotFor(table, isEoi ? eoiKey : key, times);
  table.missed[slot] += missed;
}

function addName(state: AccessState, batch: EventBatch, row: number, kind: number): void {
  const { key } = state;
  const fields = batch.fields[row];
  if ((fields & F_ADDRESS) === 0) return;
  key[0] = batch.address[2 * row];
  key[1] = batch.address[2 * row + 1];
  if (kind === IOEVENTFD) {
    key[2] = batch.event[row] === EV_SET_IOEVENTFD_PIO ? 1 : 0;
    // `assign`: 0 takes one back, which happens at resets; the address stays one that QEMU has an ioeventfd for.
    if ((fields & F_CODE) === 0 || batch.code[row] !== 0) slotFor(state.ioeventfds, key);
  } else if (batch.text[row] >= 0) {
    key[2] = batch.text[row];
    slotFor(state.regions, key);
  }
}

/** What waited for its thread's vCPU number, of threads that turned out to be chosen. */
function chosenLater(
  { scope, waiting }: AccessState,
  numbers: VcpuNumbers,
): Pick<AccessState, 'accesses' | 'eois'> {
  const chosen = { accesses: createTopTable(4, WAITING_CAPACITY), eois: createTopTable(2, EOI_CAPACITY) };
  for (let slot = 0; slot < waiting.count; slot++) {
    const [tid, ...key] = waiting.keys.subarray(5 * slot, 5 * slot + 5);
    // The process has been asked for before.
    if (scope.selection?.vcpus?.has(numbers.get(tid) ?? -1) !== true) continue;
    count(chosen, Int32Array.from(key), waiting.observed[slot], waiting.missed[slot]);
  }
  return chosen;
}

function accessResult(state: AccessState, numbers: VcpuNumbers = new Map()): AccessResult {
  // Copies: merging replaces what they hold, the state stays as it is.
  const accesses = { ...state.accesses };
  const eois = { ...state.eois };
  if (state.waiting.count > 0) {
    const later = chosenLater(state, numbers);
    mergeTopTables(accesses, later.accesses);
    mergeTopTables(eois, later.eois);
  }
  const floor = floorOf(state.waiting);
  return {
    accesses: countTable(accesses, floor),
    ioeventfds: countTable(state.ioeventfds),
    regions: countTable(state.regions),
    eois: countTable(eois, floor),
  };
}

function countTable(top: TopTable, besides = 0): CountTable {
  return {
    rows: top.count,
    keys: top.keys,
    counts: top.observed,
    missed: top.missed,
    floor: floorOf(top) + besides,
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
    eois: createTopTable(2, EOI_CAPACITY),
    waiting: createTopTable(5, WAITING_CAPACITY),
    key: new Int32Array(4),
    waitingKey: new Int32Array(5),
    view: arena === null ? null : createEventView(arena, EV_BYTES, KINDS),
  }),
  events: addAccesses,
  merge: (state, other) => {
    for (const name of ['accesses', 'ioeventfds', 'regions', 'eois', 'waiting'] as const)
      mergeTopTables(state[name], other[name]);
  },
  plain: (state) => ({ ...state, view: null }),
  result: accessResult,
};
