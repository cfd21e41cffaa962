/** What the pass `context` keeps: the window of every thread's open exit, and those of slow exits put aside. */
import type { Arena } from '../core/arena.ts';
import { diffWords, wordsToHex } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import type { ContextJoin, OpenHead } from './context-join.ts';
import { type ContextKernel, createContextKernel } from './context-kernel.ts';
import { createSlowList, type SlowList } from './slow-list.ts';
import { copyWindow, createWindow, type ThreadWindow } from './thread-window.ts';

export interface ContextOptions {
  readonly slowLimit: number;
  readonly thanNs: number;
  readonly includeIdle: boolean;
}

/** Windows put aside between two batches of decided exits; beyond it the shortest exits' go. */
const MAX_WAITING = 2048;
/** Exits whose events are kept: the slow list may be longer. */
const MAX_KEPT = 1000;
/** Threads with a window of their own: 48 events each. */
const MAX_THREADS = 8192;

export interface ThreadState {
  readonly tid: number;
  open: boolean;
  isa: number;
  code: number;
  exitLow: number;
  exitHigh: number;
  /** Of a later part, until the thread's first exit or entry there: what is open was opened before the part. */
  head: OpenHead | null;
  /** Switched out since this time on this CPU; −1: running. */
  offCpu: number;
  offLow: number;
  offHigh: number;
  readonly window: ThreadWindow;
}

interface Waiting {
  readonly latency: number;
  readonly window: ThreadWindow;
}

export interface ContextState {
  readonly list: SlowList;
  readonly threads: Map<number, ThreadState>;
  /** By exitKey(). */
  waiting: Map<string, Waiting>;
  /** Windows of rows in the list. */
  kept: Map<string, ThreadWindow>;
  /** Threads that are switched out with an open exit, by the CPU that they left. */
  readonly absent: Map<number, ThreadState[]>;
  /** Time of the last sched_switch of each CPU that `absent` watches. */
  readonly switched: Map<number, readonly [number, number]>;
  schedSeen: boolean;
  /** Of a later part. */
  readonly join: ContextJoin | null;
  /** null: rows are looked at one by one. */
  readonly kernel: ContextKernel | null;
}

export function createContext(
  { slowLimit, thanNs, includeIdle }: ContextOptions,
  join: ContextJoin | null,
  arena: Arena | null,
): ContextState {
  return {
    list: createSlowList(Math.min(slowLimit, MAX_KEPT), thanNs, includeIdle),
    threads: new Map(),
    waiting: new Map(),
    kept: new Map(),
    absent: new Map(),
    switched: new Map(),
    schedSeen: false,
    join,
    kernel: arena === null ? null : createContextKernel(arena),
  };
}

/** A thread may have several exits at one time on a coarse clock. */
export function exitKey(tid: number, low: number, high: number, latency: number): string {
  return `${tid} ${wordsToHex(low, high)} ${latency}`;
}

export function threadAt(state: ContextState, tid: number): ThreadState | null {
  let thread = state.threads.get(tid);
  if (thread === undefined) {
    if (state.threads.size >= MAX_THREADS) return null;
    thread = {
      tid,
      open: false,
      head: null,
      isa: 0,
      code: 0,
      exitLow: 0,
      exitHigh: 0,
      offCpu: -1,
      offLow: 0,
      offHigh: 0,
      window: createWindow(),
    };
    state.threads.set(tid, thread);
  }
  return thread;
}

/** The thread's open exit has ended: puts its window aside if its latency could make the list. */
export function keepClosed(state: ContextState, thread: ThreadState, low: number, high: number): void {
  const { list } = state;
  const latency = diffWords(low, high, thread.exitLow, thread.exitHigh);
  if (latency <= list.thanNs || latency < list.floor) return;
  if (!list.includeIdle && isIdle(thread.isa, thread.code)) return;
  if (state.waiting.size >= MAX_WAITING) dropShorter(state);
  state.waiting.set(exitKey(thread.tid, thread.exitLow, thread.exitHigh, latency), {
    latency,
    window: copyWindow(thread.window),
  });
}

/** Keeps the longer half. */
function dropShorter(state: ContextState): void {
  const longest = [...state.waiting].sort((a, b) => b[1].latency - a[1].latency);
  state.waiting = new Map(longest.slice(0, MAX_WAITING / 2));
}

export function comeBack(state: ContextState, thread: ThreadState): void {
  const watchers = state.absent.get(thread.offCpu);
  const at = watchers?.indexOf(thread) ?? -1;
  if (at >= 0) watchers!.splice(at, 1);
  thread.offCpu = -1;
}

/** Drops windows of exits that are no longer in the list. */
export function dropKept({ list, kept }: ContextState): void {
  const inList = listKeys(list);
  for (const key of [...kept.keys()]) if (!inList.has(key)) kept.delete(key);
}

export function listKeys({ rows }: SlowList): Set<string> {
  const keys = new Set<string>();
  for (let row = 0; row < rows.length; row++)
    keys.add(exitKey(rows.tid[row], rows.exitTime[2 * row], rows.exitTime[2 * row + 1], rows.latency[row]));
  return keys;
}
