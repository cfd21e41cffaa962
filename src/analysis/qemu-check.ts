/**
 * Pass `qemu-check`: the kernel's and QEMU's word for the same returns of KVM_RUN, per thread. Each kvm_userspace_exit
 * without error has one kvm_run_exit with the same reason after it (restarts and errors have none). Where a recording
 * has both, they are matched one to one in order of time.
 *
 * A simpletrace record names no thread: the vCPU's thread is then the one whose exits, entries or thread name carry the
 * vCPU number. Returns before the other side's first event, and the last one when its answer is still out, are edges.
 *
 * How a later part of a recording is matched depends on what the earlier one left unanswered. So it keeps its first
 * events, which are run again behind the earlier part.
 */

import { type Arena, allocateI32 } from '../core/arena.ts';
import { createEventBatch, type EventBatch, F_ARG0, F_CODE } from '../core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_GET_TIMER_MAP,
  EV_RUN_EXIT,
  EV_USERSPACE_EXIT,
  MAX_EVENTS,
} from '../core/events.ts';
import { addressOf, type KernelView } from '../core/kernel-view.ts';
import { addEventRows, createEventView } from './event-kernels.ts';
import { appendRow } from './event-rows.ts';
import {
  ANY_THREAD,
  K_COMMON,
  K_RARE,
  KNOWN_VCPUS,
  NO_THREAD,
  QC_BYTES,
  QC_TIDS,
  QC_VCPUS,
} from './events-view-layout.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { hasQemuEvents } from './recorded-events.ts';

/** Most threads and vCPUs that are followed: hostile input must not make more. */
const MAX_SIDES = 4096;
/** KVM_EXIT_* with a count of their own; larger ones share the last. */
const REASONS = 64;
/** Returns that wait for QEMU's word, per thread: more than one means that a word was lost. */
const MAX_WAITING = 64;
/** Events of a later part that are kept: long before so many, it no longer matters how the earlier part ended. */
const MAX_HEAD = 65536;

interface Side {
  readonly tid: number;
  readonly pid: number;
  /** vCPU number, −1 unknown. */
  vcpu: number;
  readonly kernel: Float64Array;
  readonly qemu: Float64Array;
  restarts: number;
  errors: number;
  matched: number;
  kernelOnly: number;
  qemuOnly: number;
  edges: number;
  /** Words without the other since that side's last one: edges, unless the other speaks again. */
  kernelTrailing: number;
  qemuTrailing: number;
  /** Reasons of kernel returns that QEMU has not answered yet; the first `early` of them are older than its first word. */
  readonly waiting: number[];
  early: number;
  seenQemu: boolean;
  seenKernel: boolean;
}

export interface QemuCheck {
  readonly byTid: Map<number, Side>;
  /** Threads by vCPU number, as far as events tell: the last one seen. */
  readonly tidOfVcpu: Map<number, number>;
  /** vCPU numbers that several threads have (several VMs): QEMU's word cannot be assigned. */
  readonly ambiguous: Set<number>;
  /** kvm_run_exit without a thread: counts per vCPU number. */
  readonly byVcpu: Map<number, Side>;
  kernelExits: number;
  qemuExits: number;
  /** Of either side: the thread or vCPU is not known, or there are more than MAX_SIDES. */
  leftOut: number;
  /** Of a later part: its events, until there are MAX_HEAD of them. */
  head: EventBatch | null;
  /** By vCPU number, for the kernel; null: events are looked at one by one. */
  readonly known: Int32Array | null;
  readonly view: KernelView | null;
}

function createCheck(later: boolean, arena: Arena | null = null): QemuCheck {
  const known = arena === null ? null : allocateI32(arena, KNOWN_VCPUS).fill(NO_THREAD);
  return {
    byTid: new Map(),
    tidOfVcpu: new Map(),
    ambiguous: new Set(),
    byVcpu: new Map(),
    kernelExits: 0,
    qemuExits: 0,
    leftOut: 0,
    head: later ? createEventBatch(64) : null,
    known,
    view: arena === null ? null : createCheckView(arena, known!),
  };
}

function createSide(tid: number, pid: number, vcpu: number): Side {
  return {
    tid,
    pid,
    vcpu,
    kernel: new Float64Array(REASONS),
    qemu: new Float64Array(REASONS),
    restarts: 0,
    errors: 0,
    matched: 0,
    kernelOnly: 0,
    qemuOnly: 0,
    edges: 0,
    kernelTrailing: 0,
    qemuTrailing: 0,
    waiting: [],
    early: 0,
    seenQemu: false,
    seenKernel: false,
  };
}

function sideOf(sides: Map<number, Side>, id: number, pid: number, isThread: boolean): Side | null {
  let side = sides.get(id);
  if (side === undefined) {
    if (sides.size >= MAX_SIDES) return null;
    side = isThread ? createSide(id, pid, -1) : createSide(-1, pid, id);
    sides.set(id, side);
  }
  return side;
}

const KINDS: Uint8Array = (() => {
  const kinds = new Uint8Array(MAX_EVENTS);
  for (const event of [EV_EXIT, EV_ENTRY, EV_GET_TIMER_MAP]) kinds[event] = K_COMMON;
  for (const event of [EV_USERSPACE_EXIT, EV_RUN_EXIT]) kinds[event] = K_RARE;
  return kinds;
})();

function createCheckView(arena: Arena, known: Int32Array): KernelView {
  const view = createEventView(arena, QC_BYTES, KINDS);
  view.words[QC_TIDS / 4] = addressOf(known);
  view.words[QC_VCPUS / 4] = KNOWN_VCPUS;
  return view;
}

function addCheck(check: QemuCheck, batch: EventBatch): void {
  addEventRows(check.view, 'findNews', batch, (row) => addEvent(check, batch, row));
}

function addEvent(check: QemuCheck, batch: EventBatch, row: number): void {
  switch (batch.event[row]) {
    case EV_USERSPACE_EXIT:
      keep(check, batch, row);
      kernelExit(check, batch, row);
      break;
    case EV_RUN_EXIT:
      if ((batch.fields[row] & F_CODE) === 0) break;
      keep(check, batch, row);
      qemuExit(check, batch, row);
      break;
    case EV_EXIT:
    case EV_ENTRY:
    case EV_GET_TIMER_MAP:
      if (batch.vcpu[row] >= 0 && batch.tid[row] >= 0)
        if (learn(check, batch.vcpu[row], batch.tid[row])) keep(check, batch, row);
      break;
    default:
  }
}

function keep(check: QemuCheck, batch: EventBatch, row: number): void {
  const { head } = check;
  if (head !== null && head.length < MAX_HEAD) check.head = appendRow(head, batch, row);
}

/** Returns whether this was news. */
function learn(check: QemuCheck, vcpu: number, tid: number): boolean {
  const known = check.tidOfVcpu.get(vcpu);
  if (known === tid || check.ambiguous.has(vcpu)) return false;
  if (known !== undefined) check.ambiguous.add(vcpu);
  else if (check.tidOfVcpu.size < MAX_SIDES) check.tidOfVcpu.set(vcpu, tid);
  else return false;
  if (check.known !== null && vcpu < KNOWN_VCPUS) check.known[vcpu] = known === undefined ? tid : ANY_THREAD;
  return true;
}

function kernelExit(check: QemuCheck, batch: EventBatch, row: number): void {
  const side = batch.tid[row] < 0 ? null : sideOf(check.byTid, batch.tid[row], batch.pid[row], true);
  const errno = batch.fields[row] & F_ARG0 ? batch.arg0[2 * row] | 0 : 0;
  if (side === null) {
    if (errno >= 0) check.leftOut++;
    return;
  }
  side.seenKernel = true;
  side.qemuOnly += side.qemuTrailing;
  side.qemuTrailing = 0;
  if (errno < 0) {
    if (errno === -4) side.restarts++;
    else side.errors++;
    return;
  }
  check.kernelExits++;
  const code = Math.min(batch.code[row], REASONS - 1);
  side.kernel[code]++;
  if (side.waiting.length >= MAX_WAITING) {
    if (dropWaiting(side, 1) > 0) side.edges++;
    else side.kernelTrailing++;
  }
  side.waiting.push(code);
  if (!side.seenQemu) side.early++;
}

/** Takes the first returns off those that wait; says how many of them are older than QEMU's first word. */
function dropWaiting(side: Side, count: number): number {
  side.waiting.splice(0, count);
  const early = Math.min(count, side.early);
  side.early -= early;
  return early;
}

function qemuExit(check: QemuCheck, batch: EventBatch, row: number): void {
  check.qemuExits++;
  const vcpu = batch.vcpu[row];
  const tid =
    batch.tid[row] >= 0 ? batch.tid[row] : check.ambiguous.has(vcpu) ? -1 : (check.tidOfVcpu.get(vcpu) ?? -1);
  const side =
    tid >= 0
      ? sideOf(check.byTid, tid, batch.pid[row], true)
      : sideOf(check.byVcpu, vcpu, batch.pid[row], false);
  if (side === null) {
    check.leftOut++;
    return;
  }
  if (vcpu >= 0) side.vcpu = vcpu;
  const code = Math.min(batch.code[row], REASONS - 1);
  side.qemu[code]++;
  side.kernelOnly += side.kernelTrailing;
  side.kernelTrailing = 0;
  const { waiting } = side;
  // Of a recording without the kernel's word nothing ever waits.
  const at = waiting.length === 0 ? -1 : waiting.indexOf(code);
  if (at < 0) {
    if (side.seenKernel) side.qemuTrailing++;
    else side.edges++;
  } else {
    // What waited longer was never answered: before QEMU's first word that is where its recording begins.
    const early = dropWaiting(side, at);
    side.edges += early;
    side.kernelOnly += at - early;
    dropWaiting(side, 1);
    side.matched++;
  }
  side.seenQemu = true;
}

export interface QemuCheckRow {
  /** −1: QEMU's word alone, its thread is not known. */
  readonly tid: number;
  readonly pid: number;
  readonly vcpu: number;
  /** Returns of KVM_RUN without error, as the kernel and as QEMU count them. */
  readonly kernel: number;
  readonly qemu: number;
  readonly restarts: number;
  readonly errors: number;
  /** One to one, same reason. */
  readonly matched: number;
  readonly kernelOnly: number;
  readonly qemuOnly: number;
  /** Outside the time in which both were recorded. */
  readonly edges: number;
  /** Reasons whose counts differ: KVM_EXIT_*, the kernel's and QEMU's count. */
  readonly differing: readonly { readonly code: number; readonly kernel: number; readonly qemu: number }[];
}

export interface QemuCheckResult {
  readonly kernelExits: number;
  readonly qemuExits: number;
  /** Returns told by either side that are in no row: of an unknown thread, or of more threads than are kept. */
  readonly leftOut: number;
  readonly rows: readonly QemuCheckRow[];
}

const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0);

function checkRow(side: Side): QemuCheckRow {
  return {
    tid: side.tid,
    pid: side.pid,
    vcpu: side.vcpu,
    kernel: sum(side.kernel),
    qemu: sum(side.qemu),
    restarts: side.restarts,
    errors: side.errors,
    matched: side.matched,
    kernelOnly: side.kernelOnly,
    qemuOnly: side.qemuOnly,
    edges: side.edges + side.waiting.length + side.kernelTrailing + side.qemuTrailing,
    differing: [...side.kernel.keys()]
      .filter((code) => side.kernel[code] !== side.qemu[code])
      .map((code) => ({ code, kernel: side.kernel[code], qemu: side.qemu[code] })),
  };
}

/** Adds what came later. */
function mergeChecks(check: QemuCheck, later: QemuCheck): void {
  const { head } = later;
  if (head === null) throw new Error('only a later part can be merged');
  addCheck(check, head);
  if (head.length < MAX_HEAD) return;
  const begun = createCheck(false);
  addCheck(begun, head);
  addRest(check, begun, later);
}

const COUNTS = ['restarts', 'errors', 'matched', 'kernelOnly', 'qemuOnly', 'edges'] as const;

/** Adds what happened between two states of one part. What is still unanswered from before it finds no answer. */
function addRest(check: QemuCheck, begun: QemuCheck, ended: QemuCheck): void {
  for (const [name, isThread] of [
    ['byTid', true],
    ['byVcpu', false],
  ] as const)
    for (const [id, to] of ended[name]) {
      const side = sideOf(check[name], id, to.pid, isThread);
      if (side === null) continue;
      const from = begun[name].get(id) ?? createSide(to.tid, to.pid, to.vcpu);
      for (let code = 0; code < REASONS; code++) {
        side.kernel[code] += to.kernel[code] - from.kernel[code];
        side.qemu[code] += to.qemu[code] - from.qemu[code];
      }
      for (const key of COUNTS) side[key] += to[key] - from[key];
      side.edges +=
        Math.max(0, side.waiting.length - from.waiting.length) +
        Math.max(0, side.kernelTrailing - from.kernelTrailing) +
        Math.max(0, side.qemuTrailing - from.qemuTrailing);
      if (to.vcpu >= 0) side.vcpu = to.vcpu;
      side.kernelTrailing = to.kernelTrailing;
      side.qemuTrailing = to.qemuTrailing;
      side.waiting.splice(0, side.waiting.length, ...to.waiting);
      side.early = side.seenQemu ? 0 : to.early;
      side.seenQemu ||= to.seenQemu;
      side.seenKernel ||= to.seenKernel;
    }
  for (const [vcpu, tid] of ended.tidOfVcpu) learn(check, vcpu, tid);
  for (const vcpu of ended.ambiguous) check.ambiguous.add(vcpu);
  check.kernelExits += ended.kernelExits - begun.kernelExits;
  check.qemuExits += ended.qemuExits - begun.qemuExits;
  check.leftOut += ended.leftOut - begun.leftOut;
}

export const qemuCheckPass: Pass<null, QemuCheck, QemuCheckResult> = {
  name: 'qemu-check',
  allColumns: false,
  wants: hasQemuEvents,
  create: (_options, { recordingStart }: PassScope = EVERYTHING, arena = null) =>
    createCheck(recordingStart !== undefined, arena),
  events: addCheck,
  merge: mergeChecks,
  plain: (check) => ({ ...check, known: null, view: null }),
  result: ({ byTid, byVcpu, kernelExits, qemuExits, leftOut }) => ({
    kernelExits,
    qemuExits,
    leftOut,
    rows: [...byTid.values(), ...byVcpu.values()]
      .map(checkRow)
      .filter((row) => row.kernel + row.qemu > 0)
      .sort((a, b) => a.tid - b.tid || a.vcpu - b.vcpu || a.pid - b.pid),
  }),
};
