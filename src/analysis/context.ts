/**
 * Pass `context`: what happened during the slowest exits: every event of the thread from its exit to its entry, and,
 * when sched_switch was recorded, who ran on its CPU while it did not.
 *
 * The events of an exit are gone when pairing decides that it is slow. So they are kept per thread while an exit is
 * open, and put aside at its entry if its latency could make the list; the list itself is the report's own slow list
 * (slow-list.ts) run again, and what it does not hold is thrown away.
 */

import { type EventBatch, F_ADDRESS } from '../core/event-batch.ts';
import { EV_LOST, EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING } from '../core/events.ts';
import { diffWords, wordsToHex } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import type { ExitBatch } from './exit-batch.ts';
import { idleRows } from './idle-rows.ts';
import type { Pass } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT } from './roles.ts';
import { addSlow, createSlowList, mergeSlowLists, type SlowList, slowResult } from './slow-list.ts';
import {
  addRan,
  addToWindow,
  clearWindow,
  copyWindow,
  createWindow,
  type ThreadWindow,
} from './thread-window.ts';

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

interface ThreadState {
  readonly tid: number;
  open: boolean;
  isa: number;
  code: number;
  exitLow: number;
  exitHigh: number;
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
}

export interface ContextRow {
  readonly tid: number;
  /** Word pair. */
  readonly exitTime: readonly [number, number];
  readonly latency: number;
  /** Between exit and entry, in order; the exit and the entry themselves are not among them. */
  readonly events: EventBatch;
  /** Events that are not in `events`: after the first half of it. */
  readonly omitted: number;
  readonly ran: readonly { readonly tid: number; readonly ns: number }[];
  readonly ranOtherNs: number;
  readonly offCpuNs: number;
  readonly switches: number;
}

export interface ContextResult {
  readonly rows: readonly ContextRow[];
  /** sched_switch was recorded: who ran is known. */
  readonly schedSeen: boolean;
  /** Slow exits whose events were not kept for want of room. */
  readonly missing: number;
}

/** A thread may have several exits at one time on a coarse clock. */
function exitKey(tid: number, low: number, high: number, latency: number): string {
  return `${tid} ${wordsToHex(low, high)} ${latency}`;
}

function threadAt(state: ContextState, tid: number): ThreadState | null {
  let thread = state.threads.get(tid);
  if (thread === undefined) {
    if (state.threads.size >= MAX_THREADS) return null;
    thread = {
      tid,
      open: false,
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

function addEvents(state: ContextState, batch: EventBatch): void {
  const { event: events, tid: tids } = batch;
  for (let row = 0; row < batch.length; row++) {
    const event = events[row];
    const tid = tids[row];
    if (event === EV_LOST) continue;
    if (event === EV_SCHED_SWITCH) addSwitch(state, batch, row);
    if (tid < 0) continue;
    const role = EVENT_ROLES[event];
    if (role === ROLE_EXIT) openExit(state, batch, row);
    else if (role === ROLE_ENTRY) closeExit(state, batch, row);
    else {
      const thread = state.threads.get(tid);
      if (thread?.open) addToWindow(thread.window, batch, row);
      if ((event === EV_SCHED_WAKEUP || event === EV_SCHED_WAKING) && batch.fields[row] & F_ADDRESS)
        addAbout(state, batch, row);
    }
  }
}

/** An event of another thread that is about an open one: it is woken, or it is switched to. */
function addAbout(state: ContextState, batch: EventBatch, row: number): void {
  const about = state.threads.get(batch.address[2 * row] | 0);
  if (about?.open && about.tid !== batch.tid[row]) addToWindow(about.window, batch, row);
}

function openExit(state: ContextState, batch: EventBatch, row: number): void {
  const thread = threadAt(state, batch.tid[row]);
  if (thread === null) return;
  if (thread.offCpu >= 0) comeBack(state, thread);
  thread.open = true;
  thread.isa = batch.isa[row];
  thread.code = batch.code[row];
  thread.exitLow = batch.time[2 * row];
  thread.exitHigh = batch.time[2 * row + 1];
  clearWindow(thread.window);
}

function closeExit(state: ContextState, batch: EventBatch, row: number): void {
  const thread = state.threads.get(batch.tid[row]);
  if (!thread?.open) return;
  thread.open = false;
  // A thread that runs has come back, even if that sched_switch was lost.
  if (thread.offCpu >= 0) comeBack(state, thread);
  const { list, waiting } = state;
  const latency = diffWords(batch.time[2 * row], batch.time[2 * row + 1], thread.exitLow, thread.exitHigh);
  if (latency <= list.thanNs || latency < list.floor) return;
  if (!list.includeIdle && isIdle(thread.isa, thread.code)) return;
  if (waiting.size >= MAX_WAITING) dropShorter(state);
  waiting.set(exitKey(thread.tid, thread.exitLow, thread.exitHigh, latency), {
    latency,
    window: copyWindow(thread.window),
  });
}

/** Keeps the longer half. */
function dropShorter(state: ContextState): void {
  const longest = [...state.waiting].sort((a, b) => b[1].latency - a[1].latency);
  state.waiting = new Map(longest.slice(0, MAX_WAITING / 2));
}

function addSwitch(state: ContextState, batch: EventBatch, row: number): void {
  state.schedSeen = true;
  const cpu = batch.cpu[row];
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const leaving = batch.tid[row];
  const watchers = state.absent.get(cpu);
  if (watchers !== undefined && watchers.length > 0) {
    const since = state.switched.get(cpu);
    if (since) {
      const ns = Math.max(0, diffWords(low, high, since[0], since[1]));
      for (const thread of watchers) addRan(thread.window, leaving, ns);
    }
    state.switched.set(cpu, [low, high]);
  }
  const coming = batch.fields[row] & F_ADDRESS ? state.threads.get(batch.address[2 * row] | 0) : undefined;
  if (coming?.open && coming.offCpu >= 0) {
    coming.window.offCpu += Math.max(0, diffWords(low, high, coming.offLow, coming.offHigh));
    comeBack(state, coming);
    if (coming.tid !== leaving) addToWindow(coming.window, batch, row);
  }
  const gone = leaving < 0 ? undefined : state.threads.get(leaving);
  if (gone?.open) {
    gone.offCpu = cpu;
    gone.offLow = low;
    gone.offHigh = high;
    gone.window.switches++;
    if (watchers) watchers.push(gone);
    else state.absent.set(cpu, [gone]);
    state.switched.set(cpu, [low, high]);
  }
}

function comeBack(state: ContextState, thread: ThreadState): void {
  const watchers = state.absent.get(thread.offCpu);
  const at = watchers?.indexOf(thread) ?? -1;
  if (at >= 0) watchers!.splice(at, 1);
  thread.offCpu = -1;
}

function addExits(state: ContextState, batch: ExitBatch, selected: Uint8Array | null): void {
  addSlow(state.list, batch, selected, idleRows(batch));
  // Every decided exit's window is needed for the list now or never; those of undecided ones stay.
  const inList = listKeys(state.list);
  for (const key of [...state.kept.keys()]) if (!inList.has(key)) state.kept.delete(key);
  for (let row = 0; row < batch.length; row++) {
    if (state.waiting.size === 0) break;
    if (batch.latency[row] <= state.list.thanNs) continue;
    const key = exitKey(
      batch.tid[row],
      batch.exitTime[2 * row],
      batch.exitTime[2 * row + 1],
      batch.latency[row],
    );
    const waiting = state.waiting.get(key);
    if (waiting === undefined) continue;
    state.waiting.delete(key);
    if (inList.has(key)) state.kept.set(key, waiting.window);
  }
}

function listKeys({ rows }: SlowList): Set<string> {
  const keys = new Set<string>();
  for (let row = 0; row < rows.length; row++)
    keys.add(exitKey(rows.tid[row], rows.exitTime[2 * row], rows.exitTime[2 * row + 1], rows.latency[row]));
  return keys;
}

function contextResult(state: ContextState): ContextResult {
  const { rows } = slowResult(state.list);
  const found: ContextRow[] = [];
  for (let row = 0; row < rows.length; row++) {
    const exitTime = [rows.exitTime[2 * row], rows.exitTime[2 * row + 1]] as const;
    const window = state.kept.get(exitKey(rows.tid[row], exitTime[0], exitTime[1], rows.latency[row]));
    if (window === undefined) continue;
    found.push({
      tid: rows.tid[row],
      exitTime,
      latency: rows.latency[row],
      events: window.rows,
      omitted: window.seen - window.rows.length,
      ran: [...window.ran].sort((a, b) => b.ns - a.ns || a.tid - b.tid),
      ranOtherNs: window.ranOther,
      offCpuNs: window.offCpu,
      switches: window.switches,
    });
  }
  return { rows: found, schedSeen: state.schedSeen, missing: rows.length - found.length };
}

export const contextPass: Pass<ContextOptions, ContextState, ContextResult> = {
  name: 'context',
  allColumns: false,
  create: ({ slowLimit, thanNs, includeIdle }) => ({
    list: createSlowList(Math.min(slowLimit, MAX_KEPT), thanNs, includeIdle),
    threads: new Map(),
    waiting: new Map(),
    kept: new Map(),
    absent: new Map(),
    switched: new Map(),
    schedSeen: false,
  }),
  events: addEvents,
  exits: addExits,
  /** Exits that are open at the seam have no context: pairing does not join them either. */
  merge: (state, other) => {
    mergeSlowLists(state.list, other.list);
    for (const [key, window] of other.kept) state.kept.set(key, window);
    state.schedSeen ||= other.schedSeen;
  },
  result: contextResult,
};
