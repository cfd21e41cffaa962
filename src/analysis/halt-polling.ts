/**
 * Halts as kvm_vcpu_wakeup tells them: how many ended while the vCPU thread was still polling, what polling cost, and
 * what other values of halt_poll_ns would have done with the same halts; how KVM grew and shrank each vCPU's window.
 *
 * The event's `ns` is the whole halt, polling included (virt/kvm/kvm_main.c, kvm_vcpu_halt; in 5.10 kvm_vcpu_block).
 * A halt that was slept through has polled for its window before, in vain; the window is the `old` of the
 * kvm_halt_poll_ns that KVM writes just before such a wakeup, and 0 where it writes none: a window above 0 is shrunk
 * or grown after every halt that outlasted it.
 */
import { type EventBatch, F_ARG0, F_ARG1, UNKNOWN } from '../core/event-batch.ts';
import { EV_HALT_POLL_NS, EV_VCPU_WAKEUP } from '../core/events.ts';
import { TWO_32 } from '../core/words.ts';
import { addExact, exactToBigInt, exactValue, LARGEST_ADDED, mergeExact, toExact } from './exact-sum.ts';
import { EVERYTHING, type Pass, type PassScope, type VcpuNumbers } from './pass.ts';
import { threadInScope, timeInScope } from './thread-scope.ts';
import { createThreadSlots, slotWithin, type ThreadSlots } from './thread-slots.ts';

/** Values of halt_poll_ns that are tried: figures are exact for them. Defaults: x86 200 us, arm64 500 us, s390 50 us. */
export const WINDOWS = [5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 4e5, 5e5, 8e5, 1e6, 2e6, 5e6, 1e7] as const;
/** Halts longer than every window. */
const BANDS = WINDOWS.length + 1;
/** Threads beyond this share the last row; those before keep theirs. */
const MAX_THREADS = 1 << 16;

interface Thread {
  readonly tid: number;
  pid: number;
  vcpu: number;
  halts: number;
  polled: number;
  /** Halts that did not end in an interrupt for the guest (KVM's "polling invalid"). */
  invalid: number;
  /** Exact sums: halts that polling caught, halts that were slept through. */
  readonly ns: Float64Array;
  /** Failed polls: an exact sum. */
  readonly failedNs: Float64Array;
  failed: number;
  /** Halts by the smallest window that is at least as long, counts and exact sums. */
  readonly bandCounts: Float64Array;
  readonly bandNs: Float64Array;
  grown: number;
  shrunk: number;
  /** Windows of kvm_halt_poll_ns; −1 without one. */
  firstWindow: number;
  lastWindow: number;
  maxWindow: number;
  /** `old` of the kvm_halt_poll_ns since the last wakeup, −1 without one. */
  pending: number;
  /** The first wakeup of this part, if no kvm_halt_poll_ns came before it: ns if slept through, else −1. */
  headSeen: boolean;
  headNs: number;
}

export interface HaltPolling {
  readonly scope: PassScope;
  readonly slots: ThreadSlots;
  readonly threads: Thread[];
  /** Wakeups without a time or a thread. */
  unusable: number;
  windowEvents: number;
}

function createHaltPolling(_options: unknown, scope: PassScope = EVERYTHING): HaltPolling {
  return { scope, slots: createThreadSlots(), threads: [], unusable: 0, windowEvents: 0 };
}

function createThread(tid: number): Thread {
  return {
    tid,
    pid: -1,
    vcpu: -1,
    halts: 0,
    polled: 0,
    invalid: 0,
    ns: new Float64Array(4),
    failedNs: new Float64Array(2),
    failed: 0,
    bandCounts: new Float64Array(BANDS),
    bandNs: new Float64Array(2 * BANDS),
    grown: 0,
    shrunk: 0,
    firstWindow: -1,
    lastWindow: -1,
    maxWindow: -1,
    pending: -1,
    headSeen: false,
    headNs: -1,
  };
}

function threadAt(halts: HaltPolling, tid: number): Thread {
  const own = slotWithin(halts.slots, tid, MAX_THREADS);
  const slot = own < 0 ? MAX_THREADS - 1 : own;
  const known = halts.threads[slot];
  if (known) return known;
  const thread = createThread(tid);
  halts.threads[slot] = thread;
  return thread;
}

function addHaltEvents(halts: HaltPolling, batch: EventBatch): void {
  const { event } = batch;
  for (let row = 0; row < batch.length; row++) {
    const kind = event[row];
    if (kind !== EV_VCPU_WAKEUP && kind !== EV_HALT_POLL_NS) continue;
    if (!timeInScope(halts.scope, batch.time[2 * row], batch.time[2 * row + 1])) continue;
    if (batch.tid[row] < 0 || (batch.fields[row] & F_ARG0) === 0) {
      halts.unusable++;
      continue;
    }
    const thread = threadAt(halts, batch.tid[row]);
    if (batch.pid[row] !== UNKNOWN) thread.pid = batch.pid[row];
    if (kind === EV_VCPU_WAKEUP) addWakeup(thread, batch, row);
    else {
      halts.windowEvents++;
      if (batch.vcpu[row] !== UNKNOWN) thread.vcpu = batch.vcpu[row];
      addWindow(thread, batch, row);
    }
  }
}

function addWakeup(thread: Thread, batch: EventBatch, row: number): void {
  const ns = Math.min(LARGEST_ADDED, batch.arg0[2 * row] + batch.arg0[2 * row + 1] * TWO_32);
  const waited = batch.code[row] !== 0;
  thread.halts++;
  if (!waited) thread.polled++;
  if (batch.fields[row] & F_ARG1 && batch.arg1[2 * row] === 0) thread.invalid++;
  addExact(thread.ns, waited ? 1 : 0, ns);
  let band = 0;
  while (band < WINDOWS.length && ns > WINDOWS[band]) band++;
  thread.bandCounts[band]++;
  addExact(thread.bandNs, band, ns);
  if (!thread.headSeen) {
    thread.headSeen = true;
    thread.headNs = waited && thread.pending < 0 ? ns : -1;
  }
  if (waited && thread.pending > 0) addFailed(thread, Math.min(ns, thread.pending));
  thread.pending = -1;
}

function addFailed(thread: Thread, ns: number): void {
  thread.failed++;
  addExact(thread.failedNs, 0, ns);
}

function addWindow(thread: Thread, batch: EventBatch, row: number): void {
  const window = batch.arg0[2 * row];
  const before = batch.fields[row] & F_ARG1 ? batch.arg1[2 * row] : 0;
  if (batch.code[row]) thread.grown++;
  else thread.shrunk++;
  if (thread.firstWindow < 0) thread.firstWindow = before;
  thread.lastWindow = window;
  thread.maxWindow = Math.max(thread.maxWindow, window, before);
  thread.pending = before;
}

/** Adds a later part. */
function mergeHaltPolling(halts: HaltPolling, later: HaltPolling): void {
  halts.unusable += later.unusable;
  halts.windowEvents += later.windowEvents;
  for (const other of later.threads) {
    const thread = threadAt(halts, other.tid);
    if (other.pid >= 0) thread.pid = other.pid;
    if (other.vcpu >= 0) thread.vcpu = other.vcpu;
    if (other.headSeen) {
      // The window event of the later part's first wakeup may be this part's last.
      if (other.headNs >= 0 && thread.pending > 0) addFailed(thread, Math.min(other.headNs, thread.pending));
      if (!thread.headSeen) {
        thread.headSeen = true;
        thread.headNs = thread.pending < 0 ? other.headNs : -1;
      }
      thread.pending = other.pending;
    } else if (other.pending >= 0) thread.pending = other.pending;
    for (const key of ['halts', 'polled', 'invalid', 'failed', 'grown', 'shrunk'] as const)
      thread[key] += other[key];
    for (const i of [0, 1]) mergeExact(thread.ns, i, other.ns, i);
    mergeExact(thread.failedNs, 0, other.failedNs, 0);
    for (let band = 0; band < BANDS; band++) {
      thread.bandCounts[band] += other.bandCounts[band];
      mergeExact(thread.bandNs, band, other.bandNs, band);
    }
    if (thread.firstWindow < 0) thread.firstWindow = other.firstWindow;
    if (other.lastWindow >= 0) thread.lastWindow = other.lastWindow;
    thread.maxWindow = Math.max(thread.maxWindow, other.maxWindow);
  }
}

/** What one window would have done with the recorded halts. */
export interface WindowOutcome {
  readonly windowNs: number;
  /** Halts no longer than the window. */
  readonly caught: number;
  /** Polling time of all halts: each polls as long as it lasts, at most as long as the window. */
  readonly pollNs: number | bigint;
  /** The part of it spent in halts that were not caught. */
  readonly wastedNs: number | bigint;
}

export interface HaltRow {
  readonly tid: number;
  readonly pid: number;
  readonly vcpu: number;
  readonly halts: number;
  readonly polled: number;
  readonly invalid: number;
  readonly polledNs: number | bigint;
  readonly waitedNs: number | bigint;
  /** Polls in vain and their time at most (KVM stops polling early when another thread wants the CPU). */
  readonly failed: number;
  readonly failedNs: number | bigint;
  readonly grown: number;
  readonly shrunk: number;
  /** −1 without kvm_halt_poll_ns. */
  readonly firstWindowNs: number;
  readonly lastWindowNs: number;
  readonly maxWindowNs: number;
  readonly windows: readonly WindowOutcome[];
}

export interface HaltPollingResult {
  readonly rows: readonly HaltRow[];
  readonly windowEvents: number;
  readonly unusable: number;
}

function outcomes(thread: Thread): WindowOutcome[] {
  let caught = 0;
  let caughtNs = 0n;
  return WINDOWS.map((windowNs, band) => {
    caught += thread.bandCounts[band];
    caughtNs += exactToBigInt(thread.bandNs, band);
    const wasted = BigInt(windowNs) * BigInt(thread.halts - caught);
    return { windowNs, caught, pollNs: toExact(caughtNs + wasted), wastedNs: toExact(wasted) };
  });
}

function haltPollingResult(halts: HaltPolling, numbers?: VcpuNumbers): HaltPollingResult {
  const rows = halts.threads
    .filter(({ tid, pid, vcpu }) => threadInScope(halts.scope, tid, pid, vcpu, numbers))
    .map(
      (thread): HaltRow => ({
        tid: thread.tid,
        pid: thread.pid,
        vcpu: thread.vcpu,
        halts: thread.halts,
        polled: thread.polled,
        invalid: thread.invalid,
        polledNs: exactValue(thread.ns, 0),
        waitedNs: exactValue(thread.ns, 1),
        failed: thread.failed,
        failedNs: exactValue(thread.failedNs, 0),
        grown: thread.grown,
        shrunk: thread.shrunk,
        firstWindowNs: thread.firstWindow,
        lastWindowNs: thread.lastWindow,
        maxWindowNs: thread.maxWindow,
        windows: outcomes(thread),
      }),
    )
    .sort((a, b) => a.tid - b.tid);
  return { rows, windowEvents: halts.windowEvents, unusable: halts.unusable };
}

export const haltPollingPass: Pass<null, HaltPolling, HaltPollingResult> = {
  name: 'halt-polling',
  // `valid` of kvm_vcpu_wakeup and `old` of kvm_halt_poll_ns.
  allColumns: true,
  create: createHaltPolling,
  events: addHaltEvents,
  merge: mergeHaltPolling,
  result: haltPollingResult,
};
