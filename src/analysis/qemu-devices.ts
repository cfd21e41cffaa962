/**
 * What QEMU's time after an exit was for: the first access to a memory region (memory_region_ops_*) of the same vCPU
 * before its next KVM_RUN. Later ones are its consequences (a device that reads guest memory), or further pieces of the
 * same exit (string I/O). Rows are by region, direction and KVM_EXIT reason: a device has many addresses, so that only
 * the lowest and the highest are kept.
 */

import { type EventBatch, F_ADDRESS } from '../core/event-batch.ts';
import { EV_MEMORY_REGION_OPS_WRITE } from '../core/events.ts';
import { TWO_32 } from '../core/words.ts';
import { addExact, mergeExact } from './exact-sum.ts';

/** Most rows of a vCPU: hostile input must not make more. What finds no room is OTHERS. */
const MAX_DEVICES = 512;

/** Of `text`: QEMU called no region's callback (an address without a device, or another kind of exit). */
export const NO_ACCESS = -2;
/** Of `text`: beyond MAX_DEVICES. */
export const OTHERS = -3;

/** The access that an exit is about. */
export interface QemuAccess {
  /** Code of the region's name, −1 without one, NO_ACCESS. */
  text: number;
  write: boolean;
  low: number;
  high: number;
}

export interface QemuDeviceRow {
  readonly code: number;
  readonly text: number;
  readonly write: boolean;
  /** Lowest and highest address, as words. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  pairs: number;
  /** A pair of exact-sum.ts. */
  readonly totalNs: Float64Array;
  maxNs: number;
}

export type QemuDevices = Map<number, QemuDeviceRow>;

export function createAccess(): QemuAccess {
  return { text: NO_ACCESS, write: false, low: 0, high: 0 };
}

export function copyAccess(from: QemuAccess, to: QemuAccess): void {
  to.text = from.text;
  to.write = from.write;
  to.low = from.low;
  to.high = from.high;
}

/** Takes the access if it is the first one. */
export function noteAccess(access: QemuAccess, batch: EventBatch, row: number): void {
  if (access.text !== NO_ACCESS || (batch.fields[row] & F_ADDRESS) === 0) return;
  access.text = Math.max(-1, batch.text[row]);
  access.write = batch.event[row] === EV_MEMORY_REGION_OPS_WRITE;
  access.low = batch.address[2 * row];
  access.high = batch.address[2 * row + 1];
}

/** Region, direction and reason as one number; regions without a name are told apart by address. */
function keyOf({ text, write, low }: QemuAccess, code: number): number {
  const kind = 2 * Math.min(code >>> 0, 1023) + (write ? 1 : 0);
  return text === -1 ? -1 - (low * 2048 + kind) : (text + 3) * 2048 + kind;
}

function rowOf(devices: QemuDevices, key: number, code: number, access: QemuAccess): QemuDeviceRow {
  let row = devices.get(key);
  if (row !== undefined) return row;
  const full = devices.size >= MAX_DEVICES;
  if (full) {
    row = devices.get(OTHERS_KEY);
    if (row !== undefined) return row;
  }
  row = {
    code: full ? -1 : code,
    text: full ? OTHERS : access.text,
    write: !full && access.write,
    from: Uint32Array.of(access.low, access.high),
    to: Uint32Array.of(access.low, access.high),
    pairs: 0,
    totalNs: new Float64Array(2),
    maxNs: 0,
  };
  devices.set(full ? OTHERS_KEY : key, row);
  return row;
}

const OTHERS_KEY = 0;

const asNumber = (low: number, high: number) => high * TWO_32 + low;

function widen(row: QemuDeviceRow, low: number, high: number): void {
  const at = asNumber(low, high);
  if (at < asNumber(row.from[0], row.from[1])) row.from.set([low, high]);
  if (at > asNumber(row.to[0], row.to[1])) row.to.set([low, high]);
}

/** An exit of reason `code` that QEMU took `ns` for. */
export function addDevice(devices: QemuDevices, access: QemuAccess, code: number, ns: number): void {
  const row = rowOf(devices, keyOf(access, code), code, access);
  widen(row, access.low, access.high);
  row.pairs++;
  addExact(row.totalNs, 0, ns);
  if (ns > row.maxNs) row.maxNs = ns;
}

/** Adds the other's rows. */
export function mergeDevices(devices: QemuDevices, others: QemuDevices): void {
  for (const other of others.values()) {
    const { text, write, from, to, code } = other;
    const access: QemuAccess = { text, write, low: from[0], high: from[1] };
    const row = rowOf(devices, text === OTHERS ? OTHERS_KEY : keyOf(access, code), code, access);
    widen(row, from[0], from[1]);
    widen(row, to[0], to[1]);
    row.pairs += other.pairs;
    mergeExact(row.totalNs, 0, other.totalNs, 0);
    row.maxNs = Math.max(row.maxNs, other.maxNs);
  }
}
