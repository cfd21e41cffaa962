/**
 * Windows of exits that are open where a recording is cut. A later part treats every thread as if it had an exit open,
 * until its first exit or entry: what it saw until then is the thread's head, and the earlier part, which knows whether
 * there was such an exit and where the thread was, joins the two. Whether the thread was switched out at the cut, and
 * on which CPU, only the earlier part knows: so the head tells what came before and after its first sign of running,
 * and a log of switches who ran on which CPU meanwhile.
 */
import { copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import { diffWords } from '../core/words.ts';
import {
  type ContextState,
  dropKept,
  exitKey,
  keepClosed,
  listKeys,
  type ThreadState,
  threadAt,
} from './context-state.ts';
import { mergeSlowLists } from './slow-list.ts';
import {
  addRan,
  addToWindow,
  appendWindow,
  copyWindow,
  createWindow,
  type ThreadWindow,
} from './thread-window.ts';

/** Switches that are remembered: who ran instead of a thread that is away for longer is told up to here. */
const MAX_SWITCHES = 65536;

/** The first sched_switch of a thread in a part. */
interface Return {
  /** Switches in the log by then, this one included. */
  readonly switches: number;
  /** Switched to (else: from). */
  readonly into: boolean;
  readonly low: number;
  readonly high: number;
  /** The event, if it is not the thread's own. */
  readonly row: EventBatch | null;
}

export interface OpenHead {
  /** Events before `back`; null while there is none, and the thread's window holds them. */
  before: ThreadWindow | null;
  back: Return | null;
}

/** What ended a head. */
export const BY_ENTRY = 1;
export const BY_EXIT = 2;

interface Head {
  readonly before: ThreadWindow;
  readonly back: Return | null;
  readonly after: ThreadWindow | null;
  /** BY_ENTRY, BY_EXIT; 0: nothing yet. */
  readonly ended: number;
  readonly low: number;
  readonly high: number;
  readonly switches: number;
}

export interface ContextJoin {
  readonly heads: Map<number, Head>;
  /** sched_switch in order: who left which CPU when. */
  readonly cpus: number[];
  readonly leaving: number[];
  readonly times: number[];
  /** Time of the last sched_switch of each CPU. */
  readonly last: Map<number, readonly [number, number]>;
}

export function createJoin(): ContextJoin {
  return { heads: new Map(), cpus: [], leaving: [], times: [], last: new Map() };
}

/** A thread that may have an exit open from before; null where there are too many. 0 is each CPU's idle thread. */
export function beginHead(state: ContextState, tid: number): ThreadState | null {
  const thread = tid > 0 ? threadAt(state, tid) : null;
  if (thread === null) return null;
  thread.open = true;
  thread.head = { before: null, back: null };
  return thread;
}

export function logSwitch(join: ContextJoin, batch: EventBatch, row: number): void {
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  join.last.set(batch.cpu[row], [low, high]);
  if (join.cpus.length >= MAX_SWITCHES) return;
  join.cpus.push(batch.cpu[row]);
  join.leaving.push(batch.tid[row]);
  join.times.push(low, high);
}

/** The thread is switched to: if it was away since before the part, it is back. */
export function returnHead(state: ContextState, thread: ThreadState, batch: EventBatch, row: number): void {
  split(state, thread, batch, row, true);
}

/** The thread is switched from: it has run. */
export function leaveHead(state: ContextState, thread: ThreadState, batch: EventBatch, row: number): void {
  split(state, thread, batch, row, false);
}

function split(
  state: ContextState,
  thread: ThreadState,
  batch: EventBatch,
  row: number,
  into: boolean,
): void {
  const head = thread.head!;
  if (head.back !== null) return;
  let copy: EventBatch | null = null;
  if (into && batch.tid[row] !== thread.tid) {
    copy = createEventBatch(1);
    copyRow(batch, row, copy, copy.length++);
  }
  const { window } = thread;
  head.back = {
    switches: state.join!.cpus.length,
    into,
    low: batch.time[2 * row],
    high: batch.time[2 * row + 1],
    row: copy,
  };
  head.before = copyWindow(window);
  Object.assign(window, createWindow());
}

/** The thread's first exit or entry: what comes now is this part's alone. */
export function closeHead(
  state: ContextState,
  thread: ThreadState,
  ended: number,
  batch: EventBatch,
  row: number,
): void {
  state.join!.heads.set(
    thread.tid,
    headOf(state, thread, ended, batch.time[2 * row], batch.time[2 * row + 1]),
  );
  thread.head = null;
}

function headOf(
  { join }: ContextState,
  { head, window }: ThreadState,
  ended: number,
  low: number,
  high: number,
): Head {
  const back = head!.back;
  return {
    before: head!.before ?? copyWindow(window),
    back,
    after: back === null ? null : copyWindow(window),
    ended,
    low,
    high,
    switches: back?.switches ?? join!.cpus.length,
  };
}

/** Adds a later part. Exits that pairing joins have to be in the list before. */
export function mergeContexts(state: ContextState, later: ContextState): void {
  if (later.join === null) throw new Error('only a later part can be merged');
  for (const thread of state.threads.values()) if (thread.open) joinThread(state, later, thread);
  for (const thread of later.threads.values())
    if (thread.head === null && threadAt(state, thread.tid) !== null) state.threads.set(thread.tid, thread);
  state.absent.clear();
  for (const thread of state.threads.values()) {
    if (!thread.open || thread.offCpu < 0) continue;
    const watchers = state.absent.get(thread.offCpu);
    if (watchers) watchers.push(thread);
    else state.absent.set(thread.offCpu, [thread]);
  }
  for (const [cpu, time] of later.join.last) state.switched.set(cpu, time);
  mergeSlowLists(state.list, later.list);
  for (const [key, window] of later.kept) state.kept.set(key, window);
  for (const [key, waiting] of later.waiting) state.waiting.set(key, waiting);
  dropKept(state);
  state.schedSeen ||= later.schedSeen;
}

/** Goes on with an open exit of the earlier part. */
function joinThread(state: ContextState, later: ContextState, thread: ThreadState): void {
  const join = later.join!;
  const other = later.threads.get(thread.tid);
  const head = join.heads.get(thread.tid) ?? (other?.head ? headOf(later, other, 0, 0, 0) : undefined);
  const { window } = thread;
  const away = thread.offCpu >= 0;
  if (away) addRunners(state, join, thread, head?.switches ?? join.cpus.length);
  if (head === undefined) return;
  appendWindow(window, head.before);
  if (head.back !== null) {
    const { into, low, high, row } = head.back;
    if (away && into) {
      window.offCpu += Math.max(0, diffWords(low, high, thread.offLow, thread.offHigh));
      if (row !== null) addToWindow(window, row, 0);
    }
    appendWindow(window, head.after!);
  }
  if (head.ended === 0) {
    if (head.back === null) return;
    thread.offCpu = other!.offCpu;
    thread.offLow = other!.offLow;
    thread.offHigh = other!.offHigh;
    return;
  }
  thread.offCpu = -1;
  thread.open = false;
  if (head.ended === BY_ENTRY) keepJoined(state, thread, head);
}

/** Who ran on the CPU that the thread left, up to so many switches into the part. */
function addRunners(state: ContextState, join: ContextJoin, thread: ThreadState, switches: number): void {
  let [low, high] = state.switched.get(thread.offCpu) ?? [thread.offLow, thread.offHigh];
  for (let i = 0; i < switches; i++) {
    if (join.cpus[i] !== thread.offCpu) continue;
    const atLow = join.times[2 * i];
    const atHigh = join.times[2 * i + 1];
    addRan(thread.window, join.leaving[i], Math.max(0, diffWords(atLow, atHigh, low, high)));
    low = atLow;
    high = atHigh;
  }
}

/** The exit may be decided already, and then it is in the list or will never be. */
function keepJoined(state: ContextState, thread: ThreadState, { low, high }: Head): void {
  keepClosed(state, thread, low, high);
  const latency = diffWords(low, high, thread.exitLow, thread.exitHigh);
  const key = exitKey(thread.tid, thread.exitLow, thread.exitHigh, latency);
  const waiting = state.waiting.get(key);
  if (waiting === undefined || !listKeys(state.list).has(key)) return;
  state.waiting.delete(key);
  state.kept.set(key, waiting.window);
}
