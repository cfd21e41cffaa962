/**
 * Pass `context`: what happened during the slowest exits: every event of the thread from its exit to its entry, and,
 * when sched_switch was recorded, who ran on its CPU while it did not.
 *
 * The events of an exit are gone when pairing decides that it is slow. So they are kept per thread while an exit is
 * open, and put aside at its entry if its latency could make the list; the list itself is the report's own slow list
 * (slow-list.ts) run again, and what it does not hold is thrown away. Parts of a recording: context-join.ts.
 */

import { type EventBatch, F_ADDRESS, liesIn } from '../core/event-batch.ts';
import { EV_LOST, EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING } from '../core/events.ts';
import { diffWords } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import {
  BY_ENTRY,
  BY_EXIT,
  beginHead,
  closeHead,
  createJoin,
  leaveHead,
  logSwitch,
  mergeContexts,
  returnHead,
} from './context-join.ts';
import { followBatch, nextAsLong, nextSlow } from './context-kernel.ts';
import {
  type ContextOptions,
  type ContextState,
  comeBack,
  createContext,
  dropKept,
  exitKey,
  keepClosed,
  type ThreadState,
  threadAt,
} from './context-state.ts';
import type { ArenaExits, ExitBatch } from './exit-batch.ts';
import { rememberIdle } from './idle-memory.ts';
import { idleRows } from './idle-rows.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT } from './roles.ts';
import { addSlow, addSlowRow, isListed, slowResult } from './slow-list.ts';
import { addRan, addToWindow, clearWindow } from './thread-window.ts';

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

/** The thread, if it has had an exit; in a later part any thread may have one open from before. */
function threadOf(state: ContextState, tid: number): ThreadState | null | undefined {
  return state.threads.get(tid) ?? (state.join === null ? undefined : beginHead(state, tid));
}

function addEvents(state: ContextState, batch: EventBatch): void {
  const { kernel } = state;
  let row = 0;
  if (kernel !== null && liesIn(kernel.view.arena, batch))
    row = followBatch(state, kernel, batch, (at) => takeThread(state, batch, at));
  for (; row < batch.length; row++) addEvent(state, batch, row);
}

/** What a row does beside being in a window. */
function takeThread(state: ContextState, batch: EventBatch, row: number): void {
  const role = EVENT_ROLES[batch.event[row]];
  if (role === ROLE_EXIT) openExit(state, batch, row);
  else if (role === ROLE_ENTRY) closeExit(state, batch, row);
  else threadOf(state, batch.tid[row]);
}

function addEvent(state: ContextState, batch: EventBatch, row: number): void {
  const event = batch.event[row];
  const tid = batch.tid[row];
  if (event === EV_LOST) return;
  if (event === EV_SCHED_SWITCH) addSwitch(state, batch, row);
  if (tid < 0) return;
  const role = EVENT_ROLES[event];
  if (role === ROLE_EXIT) openExit(state, batch, row);
  else if (role === ROLE_ENTRY) closeExit(state, batch, row);
  else {
    const thread = threadOf(state, tid);
    if (thread?.open) addToWindow(thread.window, batch, row);
    if ((event === EV_SCHED_WAKEUP || event === EV_SCHED_WAKING) && batch.fields[row] & F_ADDRESS)
      addAbout(state, batch, row);
  }
}

/** An event of another thread that is about an open one: it is woken, or it is switched to. */
function addAbout(state: ContextState, batch: EventBatch, row: number): void {
  const about = threadOf(state, batch.address[2 * row] | 0);
  if (about?.open && about.tid !== batch.tid[row]) addToWindow(about.window, batch, row);
}

function openExit(state: ContextState, batch: EventBatch, row: number): void {
  const thread = threadOf(state, batch.tid[row]) ?? threadAt(state, batch.tid[row]);
  if (thread === null) return;
  if (thread.head !== null) closeHead(state, thread, BY_EXIT, batch, row);
  if (thread.offCpu >= 0) comeBack(state, thread);
  thread.open = true;
  thread.isa = batch.isa[row];
  thread.code = batch.code[row];
  thread.exitLow = batch.time[2 * row];
  thread.exitHigh = batch.time[2 * row + 1];
  clearWindow(thread.window);
}

function closeExit(state: ContextState, batch: EventBatch, row: number): void {
  const thread = threadOf(state, batch.tid[row]);
  if (!thread?.open) return;
  if (thread.head !== null) closeHead(state, thread, BY_ENTRY, batch, row);
  else keepClosed(state, thread, batch.time[2 * row], batch.time[2 * row + 1]);
  thread.open = false;
  // A thread that runs has come back, even if that sched_switch was lost.
  if (thread.offCpu >= 0) comeBack(state, thread);
}

function addSwitch(state: ContextState, batch: EventBatch, row: number): void {
  state.schedSeen = true;
  const cpu = batch.cpu[row];
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const leaving = batch.tid[row];
  if (state.join !== null) logSwitch(state.join, batch, row);
  const watchers = state.absent.get(cpu);
  if (watchers !== undefined && watchers.length > 0) {
    const since = state.switched.get(cpu);
    if (since) {
      const ns = Math.max(0, diffWords(low, high, since[0], since[1]));
      for (const thread of watchers) addRan(thread.window, leaving, ns);
    }
    state.switched.set(cpu, [low, high]);
  }
  const coming = batch.fields[row] & F_ADDRESS ? threadOf(state, batch.address[2 * row] | 0) : undefined;
  if (coming?.open && coming.offCpu >= 0) {
    coming.window.offCpu += Math.max(0, diffWords(low, high, coming.offLow, coming.offHigh));
    comeBack(state, coming);
    if (coming.tid !== leaving) addToWindow(coming.window, batch, row);
  } else if (coming?.head) returnHead(state, coming, batch, row);
  const gone = leaving < 0 ? undefined : threadOf(state, leaving);
  if (gone?.open) {
    if (gone.head !== null) leaveHead(state, gone, batch, row);
    if (gone.offCpu >= 0) comeBack(state, gone);
    gone.offCpu = cpu;
    gone.offLow = low;
    gone.offHigh = high;
    gone.window.switches++;
    if (watchers) watchers.push(gone);
    else state.absent.set(cpu, [gone]);
    state.switched.set(cpu, [low, high]);
  }
}

function addExits(state: ContextState, batch: ExitBatch, selected: Uint8Array | null): void {
  addToList(state, batch, selected);
  const { waiting, kept, list } = state;
  // Few exits are as long as the shortest that waits: no key is made of the others.
  const shortest = shortestWaiting(state);
  const next = nextLong(state, batch, shortest);
  for (let row = next(0); row < batch.length && waiting.size > 0; row = next(row + 1)) {
    const key = exitKey(
      batch.tid[row],
      batch.exitTime[2 * row],
      batch.exitTime[2 * row + 1],
      batch.latency[row],
    );
    const found = waiting.get(key);
    if (found === undefined) continue;
    // Its window is needed for the list now or never; those of undecided exits stay.
    waiting.delete(key);
    if (isListed(list, batch, row)) kept.set(key, found.window);
  }
  if (kept.size > 2 * list.rows.capacity) dropKept(state);
}

/** Finds the next row from one on that is as long as a slow exit that waits. */
function nextLong({ waiting, kernel }: ContextState, batch: ExitBatch, ns: number): (from: number) => number {
  const { latency, length } = batch;
  if (waiting.size === 0) return () => length;
  const { arena = null } = batch as Partial<ArenaExits>;
  if (kernel !== null && arena === kernel.view.arena)
    return (from) => nextAsLong(kernel, batch as ArenaExits, ns, from);
  return (from) => {
    let row = from;
    while (row < length && latency[row] < ns) row++;
    return row;
  };
}

/** What the list has of `qualified` does not matter here: the kernel passes over rows that qualify but have no place. */
function addToList(state: ContextState, batch: ExitBatch, selected: Uint8Array | null): void {
  const { list, kernel } = state;
  const { arena = null } = batch as Partial<ArenaExits>;
  if (kernel === null || arena !== kernel.view.arena) {
    addSlow(list, batch, selected, idleRows(batch));
    return;
  }
  const next = (from: number) => nextSlow(state, kernel, batch as ArenaExits, from);
  for (let row = next(0); row < batch.length; row = next(row + 1)) {
    if (selected !== null && selected[row] === 0) continue;
    rememberIdle(kernel.idle, batch.isa[row], batch.code[row]);
    addSlowRow(list, batch, row, isIdle(batch.isa[row], batch.code[row]));
  }
}

function shortestWaiting({ waiting }: ContextState): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { latency } of waiting.values()) if (latency < shortest) shortest = latency;
  return shortest;
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
  create: (options, { recordingStart }: PassScope = EVERYTHING, arena = null) =>
    createContext(options, recordingStart === undefined ? null : createJoin(), arena),
  events: addEvents,
  exits: addExits,
  merge: mergeContexts,
  plain: (state) => ({ ...state, kernel: null }),
  result: contextResult,
};
