/**
 * Exits of many vCPUs at the same time (IPIs, TLB shootdowns, kicks of the whole VM). Time is cut into windows of some
 * µs; in each the vCPU threads that exited are counted. What independent vCPUs would do by chance follows from how
 * often each of them exits: the number of them in a window is then a sum of independent yes-or-no's.
 */
import type { Arena } from '../core/arena.ts';
import { float64s, int32s, widened } from '../core/columns.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { addressOf, type KernelView } from '../core/kernel-view.ts';
import { diffWords } from '../core/words.ts';
import { addEventRows, createEventView, showSlots } from './event-kernels.ts';
import {
  SM_BEGUN,
  SM_BYTES,
  SM_COUNT,
  SM_FLOOR,
  SM_FLOOR_INDEX,
  SM_FROM,
  SM_HISTOGRAM,
  SM_INDEX,
  SM_MARK,
  SM_MARKS,
  SM_MEMBERS,
  SM_ORIGIN,
  SM_TO,
  SM_WIDTH,
  SM_WINDOWS,
} from './events-view-layout.ts';
import type { PassScope, VcpuNumbers } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_VCPU } from './roles.ts';
import { selectEvent } from './selection.ts';
import { tailChances } from './tail-chances.ts';
import { threadVerdict, timeInScope } from './thread-scope.ts';
import { createThreadSlots, plainSlots, slotWithin, type ThreadSlots } from './thread-slots.ts';
import { alignOrigins, createOrigin, limitOf, noteOrigin, type Origin } from './time-axis.ts';

const DEFAULT_WINDOW_NS = 10_000;
/** Fullest windows that are listed. */
const LISTED = 10;
/** Threads that are told apart; the first to come. */
const MAX_THREADS = 4096;
/** Most members of windows that wait for a thread's vCPU number. */
const MAX_WAITING = 1 << 20;
/** Whether the selection has a thread; unknown: its vCPU number is not told yet. */
const UNTOLD = 0;
const CHOSEN = 1;
const LEFT_OUT = 2;

export interface Simultaneous extends Origin {
  readonly scope: PassScope;
  readonly windowNs: number;
  readonly slots: ThreadSlots;
  /** By slot: UNTOLD, CHOSEN or LEFT_OUT; windows in which it exited; its mark in the window at hand. */
  inScope: Uint8Array;
  windows: Float64Array;
  marks: Float64Array;
  /** Window at hand (−1: none) and who exited in it. */
  index: number;
  readonly members: Int32Array;
  count: number;
  mark: number;
  /** First window of this part, which an earlier part may share; null until it is over. */
  head: { readonly index: number; readonly tids: number[] } | null;
  /** Windows that cannot be booked before a member's vCPU number is told, and how many members they have. */
  waiting: { readonly index: number; readonly members: readonly number[] }[];
  waitingMembers: number;
  /** Windows by number of vCPUs. */
  readonly histogram: Float64Array;
  /** The fullest, in order. */
  top: { readonly index: number; readonly vcpus: number }[];
  /** Number of windows so far. */
  span: number;
  ignored: number;
  /** null: events are looked at one by one. */
  readonly view: KernelView | null;
}

export function createSimultaneous(
  options: { readonly windowNs?: number; readonly origin?: readonly [number, number] | undefined },
  scope: PassScope,
  arena: Arena | null,
): Simultaneous {
  return {
    scope,
    windowNs: options.windowNs ?? DEFAULT_WINDOW_NS,
    ...createOrigin(options, scope),
    slots: createThreadSlots(arena),
    inScope: new Uint8Array(64),
    windows: float64s(arena, 64),
    marks: float64s(arena, 64),
    index: -1,
    members: int32s(arena, MAX_THREADS),
    count: 0,
    mark: 0,
    head: null,
    waiting: [],
    waitingMembers: 0,
    histogram: float64s(arena, MAX_THREADS + 1),
    top: [],
    span: 0,
    ignored: 0,
    // Who is selected is asked per event.
    view: arena === null || scope.selection !== null ? null : createEventView(arena, SM_BYTES, EVENT_ROLES),
  };
}

export function addSimultaneous(state: Simultaneous, batch: EventBatch): void {
  if (batch.length === 0) return;
  noteOrigin(state, batch);
  const [low, high] = state.origin;
  addEventRows(
    state.view,
    'countWindows',
    batch,
    (row) => addEvent(state, batch, row),
    (view) => showWindow(state, view),
    (view) => readWindow(state, view),
  );
  const { time } = batch;
  const end = 2 * batch.length - 2;
  const reached = Math.floor(diffWords(time[end], time[end + 1], low, high) / state.windowNs) + 1;
  const limit = Math.ceil(limitOf(state.scope, state.origin) / state.windowNs);
  state.span = Math.max(state.span, Math.min(reached, limit));
}

function showWindow(state: Simultaneous, { words, doubles }: KernelView): void {
  const { slots, top, members, windows, marks, histogram } = state;
  showSlots(words, slots, slots.count < MAX_THREADS ? windows.length : 0);
  words[SM_ORIGIN / 4] = state.origin[0];
  words[SM_ORIGIN / 4 + 1] = state.origin[1];
  doubles[SM_WIDTH / 8] = state.windowNs;
  doubles[SM_INDEX / 8] = state.index;
  doubles[SM_MARK / 8] = state.mark;
  words.fill(0, SM_FROM / 4, SM_TO / 4 + 2);
  const least = top.length === LISTED ? top[LISTED - 1] : { vcpus: 1, index: 0 };
  doubles[SM_FLOOR_INDEX / 8] = least.index;
  words[SM_FLOOR / 4] = least.vcpus;
  words[SM_COUNT / 4] = state.count;
  words[SM_MEMBERS / 4] = addressOf(members);
  words[SM_WINDOWS / 4] = addressOf(windows);
  words[SM_MARKS / 4] = addressOf(marks);
  words[SM_HISTOGRAM / 4] = addressOf(histogram);
  words[SM_BEGUN / 4] = state.head === null ? 0 : 1;
}

function readWindow(state: Simultaneous, { words, doubles }: KernelView): void {
  state.index = doubles[SM_INDEX / 8];
  state.mark = doubles[SM_MARK / 8];
  state.count = words[SM_COUNT / 4];
}

function addEvent(state: Simultaneous, batch: EventBatch, row: number): void {
  const tid = batch.tid[row];
  if (tid < 0) return;
  const role = EVENT_ROLES[batch.event[row]];
  if (role !== ROLE_EXIT) {
    // On older x86 and arm64 exits do not carry their vCPU, and these events do.
    const tells = role === ROLE_ENTRY || role === ROLE_VCPU;
    if (tells && state.scope.selection?.vcpus) learn(state, batch, row);
    return;
  }
  const slot = slotAt(state, tid);
  if (slot < 0 || !mayBeSelected(state, batch, row, slot)) return;
  const [low, high] = state.origin;
  const index = Math.floor(
    diffWords(batch.time[2 * row], batch.time[2 * row + 1], low, high) / state.windowNs,
  );
  if (index !== state.index) nextWindow(state, index);
  addMember(state, slot);
}

function learn(state: Simultaneous, batch: EventBatch, row: number): void {
  if (batch.vcpu[row] < 0) return;
  const slot = roomFor(state, batch.tid[row]);
  if (slot >= 0) decide(state, batch, row, slot);
}

/** Looks whether the selection has the thread, unless that was decided before. */
function decide({ scope, inScope }: Simultaneous, batch: EventBatch, row: number, slot: number): void {
  if (inScope[slot] !== UNTOLD) return;
  const verdict = threadVerdict(scope, batch.tid[row], batch.pid[row], batch.vcpu[row]);
  if (verdict !== null) inScope[slot] = verdict ? CHOSEN : LEFT_OUT;
}

function addMember(state: Simultaneous, slot: number): void {
  if (state.marks[slot] === state.mark) return;
  state.marks[slot] = state.mark;
  state.members[state.count++] = slot;
}

/** The state as plain data, for another thread. */
export function plainSimultaneous(state: Simultaneous): Simultaneous {
  return {
    ...state,
    slots: plainSlots(state.slots),
    windows: state.windows.slice(),
    marks: state.marks.slice(),
    members: state.members.slice(),
    histogram: state.histogram.slice(),
    view: null,
  };
}

/** The slot of an exit's thread; −1 where there is no room for it, which is counted. */
function slotAt(state: Simultaneous, tid: number): number {
  const slot = roomFor(state, tid);
  if (slot < 0) state.ignored++;
  return slot;
}

function roomFor(state: Simultaneous, tid: number): number {
  const slot = slotWithin(state.slots, tid, MAX_THREADS);
  if (slot >= state.windows.length) {
    const size = 2 * slot;
    const inScope = new Uint8Array(size);
    inScope.set(state.inScope);
    state.inScope = inScope;
    const { arena } = state.slots;
    state.windows = widened(float64s, arena, size, state.windows);
    state.marks = widened(float64s, arena, size, state.marks);
  }
  return slot;
}

function mayBeSelected(state: Simultaneous, batch: EventBatch, row: number, slot: number): boolean {
  const { scope, inScope } = state;
  if (scope.selection === null) return true;
  if (!selectEvent(scope.selection, batch, row)) return false;
  decide(state, batch, row, slot);
  return inScope[slot] !== LEFT_OUT && timeInScope(scope, batch.time[2 * row], batch.time[2 * row + 1]);
}

/** Books the window at hand and begins another. */
function nextWindow(state: Simultaneous, index: number): void {
  if (state.index >= 0) {
    const members = state.members.subarray(0, state.count);
    if (state.head === null)
      state.head = { index: state.index, tids: Array.from(members, (slot) => state.slots.tids[slot]) };
    else closeWindow(state, state.index, members);
  }
  state.index = index;
  state.count = 0;
  state.mark++;
}

/** Books a window, now or when it is known which of its members count. */
function closeWindow(state: Simultaneous, index: number, members: ArrayLike<number>): void {
  if (!state.scope.selection?.vcpus) {
    bookWindow(state, index, members);
    return;
  }
  const all = Array.from(members);
  if (!all.some((slot) => state.inScope[slot] === UNTOLD)) {
    bookChosen(state, index, all);
    return;
  }
  state.waiting.push({ index, members: all });
  state.waitingMembers += all.length;
  if (state.waitingMembers <= MAX_WAITING) return;
  settleWaiting(state);
  if (state.waitingMembers <= MAX_WAITING / 2) return;
  // Threads whose number nothing tells: what cannot be kept is counted.
  for (const { members: some } of state.waiting)
    for (const slot of some) if (state.inScope[slot] === UNTOLD) state.ignored++;
  bookWaiting(state, state.waiting);
  state.waiting = [];
  state.waitingMembers = 0;
}

/** Books those waiting windows of whose members all is known by now. */
function settleWaiting(state: Simultaneous): void {
  const isUntold = (slot: number) => state.inScope[slot] === UNTOLD;
  bookWaiting(
    state,
    state.waiting.filter(({ members }) => !members.some(isUntold)),
  );
  state.waiting = state.waiting.filter(({ members }) => members.some(isUntold));
  state.waitingMembers = state.waiting.reduce((sum, { members }) => sum + members.length, 0);
}

function bookWaiting(state: Simultaneous, windows: Simultaneous['waiting']): void {
  for (const { index, members } of windows) bookChosen(state, index, members);
}

function bookChosen(state: Simultaneous, index: number, members: readonly number[]): void {
  const chosen = members.filter((slot) => state.inScope[slot] === CHOSEN);
  if (chosen.length > 0) bookWindow(state, index, chosen);
}

function bookWindow(state: Simultaneous, index: number, members: ArrayLike<number>): void {
  const vcpus = members.length;
  state.histogram[vcpus]++;
  for (let i = 0; i < vcpus; i++) state.windows[members[i]]++;
  if (vcpus > 1) addTop(state, { index, vcpus });
}

function addTop(state: Simultaneous, window: Simultaneous['top'][number]): void {
  const { top } = state;
  if (top.length === LISTED && compareTop(window, top[LISTED - 1]) > 0) return;
  top.push(window);
  top.sort(compareTop);
  top.length = Math.min(top.length, LISTED);
}

function compareTop(a: Simultaneous['top'][number], b: Simultaneous['top'][number]): number {
  return b.vcpus - a.vcpus || a.index - b.index;
}

/** Adds a later part with the same origin. */
export function mergeSimultaneous(state: Simultaneous, later: Simultaneous): void {
  if (!alignOrigins(state, later)) return;
  state.span = Math.max(state.span, later.span);
  state.ignored += later.ignored;
  const slots = Array.from(later.slots.tids.subarray(0, later.slots.count), (tid) => slotAt(state, tid));
  for (const [from, slot] of slots.entries())
    if (slot >= 0 && state.inScope[slot] === UNTOLD) state.inScope[slot] = later.inScope[from];
  const tail = Array.from(later.members.subarray(0, later.count), (slot) => slots[slot]).filter(
    (slot) => slot >= 0,
  );
  if (later.head !== null)
    enter(
      state,
      later.head.index,
      later.head.tids.map((tid) => slotAt(state, tid)),
    );
  for (const [vcpus, count] of later.histogram.entries()) state.histogram[vcpus] += count;
  for (const [from, slot] of slots.entries()) if (slot >= 0) state.windows[slot] += later.windows[from];
  for (const window of later.top) addTop(state, window);
  for (const { index, members } of later.waiting)
    closeWindow(
      state,
      index,
      members.map((slot) => slots[slot]).filter((slot) => slot >= 0),
    );
  if (later.index >= 0) enter(state, later.index, tail);
}

/** The given threads exited in a window, which is the one at hand or a later one. */
function enter(state: Simultaneous, index: number, slots: readonly number[]): void {
  if (index !== state.index) nextWindow(state, index);
  for (const slot of slots) if (slot >= 0) addMember(state, slot);
}

export interface SimultaneousResult {
  readonly windowNs: number;
  readonly windows: number;
  readonly vcpus: number;
  /** From two vCPUs on: windows with at least so many, and how many chance would make. */
  readonly rows: readonly { readonly vcpus: number; readonly observed: number; readonly expected: number }[];
  /** The fullest windows; ns from the origin. */
  readonly top: readonly { readonly atNs: number; readonly vcpus: number }[];
  readonly origin: Uint32Array;
  readonly ignored: number;
}

/** `numbers`: of threads, from events that this pass did not see (Pass.result). */
export function simultaneousResult(state: Simultaneous, numbers?: VcpuNumbers): SimultaneousResult {
  nextWindow(state, -1);
  const { head, inScope, slots } = state;
  const vcpus = state.scope.selection?.vcpus;
  if (vcpus)
    for (let slot = 0; slot < slots.count; slot++)
      if (inScope[slot] === UNTOLD)
        inScope[slot] = vcpus.has(numbers?.get(slots.tids[slot]) ?? -1) ? CHOSEN : LEFT_OUT;
  settleWaiting(state);
  if (head !== null)
    closeWindow(
      state,
      head.index,
      head.tids.map((tid) => slotWithin(state.slots, tid, MAX_THREADS)),
    );
  const active = Array.from(state.windows.subarray(0, state.slots.count)).filter((count) => count > 0);
  const windows = Math.max(1, state.span);
  const most = state.histogram.findLastIndex((count) => count > 0);
  const chance = tailChances(
    active.map((count) => Math.min(1, count / windows)),
    most,
  );
  const rows = [];
  let observed = 0;
  for (let vcpus = most; vcpus >= 2; vcpus--) {
    observed += state.histogram[vcpus];
    rows.unshift({ vcpus, observed, expected: windows * chance[vcpus] });
  }
  return {
    windowNs: state.windowNs,
    windows: state.span,
    vcpus: active.length,
    rows,
    top: state.top.map(({ index, vcpus }) => ({ atNs: index * state.windowNs, vcpus })),
    origin: state.origin,
    ignored: state.ignored,
  };
}
