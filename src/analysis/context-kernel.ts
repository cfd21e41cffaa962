/**
 * Kernels for the pass `context`: open and closed exits are followed in columns, and a thread's events are looked for only
 * when its exit turns out slow, or is still open at the end of the batch. Threads' states go into the columns for a
 * batch, and back.
 */
import { type Arena, allocateI32, allocateU8 } from '../core/arena.ts';
import { int32s, uint8s, widened } from '../core/columns.ts';
import type { ArenaBatch, EventBatch } from '../core/event-batch.ts';
import { EV_LOST, EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING } from '../core/events.ts';
import { addressOf, type KernelView } from '../core/kernel-view.ts';
import type { ContextState, ThreadState } from './context-state.ts';
import { createEventView, showSlots } from './event-kernels.ts';
import {
  CX_ALL_THREADS,
  CX_BYTES,
  CX_CODE,
  CX_ENTRY,
  CX_EXIT,
  CX_FLOOR,
  CX_IDLE,
  CX_ISA,
  CX_LOST,
  CX_OPEN,
  CX_OTHER,
  CX_ROW,
  CX_SAW_OTHER,
  CX_SCHED,
  CX_SPECIAL,
  CX_THAN,
  CX_TIME,
  CX_WITH_IDLE,
} from './events-view-layout.ts';
import type { ArenaExits } from './exit-batch.ts';
import { createIdleMemory } from './idle-memory.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT } from './roles.ts';
import type { SlowList } from './slow-list.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';
import { addToWindow, type ThreadWindow } from './thread-window.ts';

const KINDS: Uint8Array = (() => {
  const kinds = EVENT_ROLES.map((role) =>
    role === ROLE_EXIT ? CX_EXIT : role === ROLE_ENTRY ? CX_ENTRY : CX_OTHER,
  );
  kinds[EV_LOST] = CX_LOST;
  for (const event of [EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING]) kinds[event] = CX_SCHED;
  return kinds;
})();

export interface ContextKernel {
  readonly view: KernelView;
  readonly slots: ThreadSlots;
  readonly idle: Int32Array;
  /** By slot, during a batch: whether an exit is open, its time (word pair) and reason. */
  open: Uint8Array;
  time: Int32Array;
  isa: Uint8Array;
  code: Int32Array;
  /** Row of the exit, −1: in an earlier batch. */
  row: Int32Array;
  /** 1: the thread's exits and entries need more than that. */
  special: Uint8Array;
}

export function createContextKernel(arena: Arena): ContextKernel {
  const view = createEventView(arena, CX_BYTES, KINDS);
  const idle = createIdleMemory(arena);
  view.words[CX_IDLE / 4] = addressOf(idle);
  return {
    view,
    slots: createThreadSlots(arena),
    idle,
    open: allocateU8(arena, 64),
    time: allocateI32(arena, 128),
    isa: allocateU8(arena, 64),
    code: allocateI32(arena, 64),
    row: allocateI32(arena, 64),
    special: allocateU8(arena, 64),
  };
}

/**
 * Takes the rows of a batch up to the first about scheduling, and returns it (the batch's length if there is none):
 * common ones by the kernel, the others by `takeRow`.
 */
export function followBatch(
  state: ContextState,
  kernel: ContextKernel,
  batch: ArenaBatch,
  takeRow: (row: number) => void,
): number {
  const { view } = kernel;
  const run = view.arena.kernels.followOpen;
  view.words[CX_SAW_OTHER / 4] = 0;
  view.words[CX_ALL_THREADS / 4] = state.join === null ? 0 : 1;
  for (const thread of state.threads.values()) push(kernel, thread, -1);
  let row = 0;
  while (true) {
    show(state, kernel);
    row = run(view.address, batch.table, row, batch.length);
    if (row === batch.length || KINDS[batch.event[row]] === CX_SCHED) break;
    takeOne(state, kernel, batch, row, takeRow);
    row++;
  }
  if (view.words[CX_SAW_OTHER / 4] !== 0) addBetween(state, kernel, batch, row);
  for (const thread of state.threads.values()) pull(kernel, thread);
  return row;
}

function takeOne(
  state: ContextState,
  kernel: ContextKernel,
  batch: ArenaBatch,
  row: number,
  takeRow: (row: number) => void,
): void {
  const tid = batch.tid[row];
  const kind = KINDS[batch.event[row]];
  const thread = state.threads.get(tid);
  if (thread !== undefined) {
    pull(kernel, thread);
    const wanted = kind === CX_ENTRY ? thread.open : thread.head !== null;
    if (wanted) catchUp(thread, batch, kernel.row[slotOf(kernel.slots, tid)] + 1, row);
  }
  // Of the others, here it is only told that there is such a thread: its event is found at the end.
  takeRow(row);
  const now = state.threads.get(tid);
  if (now !== undefined) push(kernel, now, kind === CX_EXIT ? row : -1);
}

/** Adds the thread's events among rows [from, to) to its window. */
function catchUp({ tid, window }: ThreadState, batch: EventBatch, from: number, to: number): void {
  for (let row = from; row < to; row++)
    if (batch.tid[row] === tid && KINDS[batch.event[row]] === CX_OTHER) addToWindow(window, batch, row);
}

/** Adds events among rows [0, to) to the windows of exits that are open. */
function addBetween(state: ContextState, kernel: ContextKernel, batch: ArenaBatch, to: number): void {
  const { view } = kernel;
  const find = view.arena.kernels.findBetween;
  show(state, kernel);
  for (
    let row = find(view.address, batch.table, 0, to);
    row < to;
    row = find(view.address, batch.table, row + 1, to)
  )
    addToWindow(state.threads.get(batch.tid[row])!.window, batch, row);
}

function show({ list }: ContextState, kernel: ContextKernel): void {
  const { words } = kernel.view;
  showSlots(words, kernel.slots, kernel.slots.count);
  words[CX_OPEN / 4] = addressOf(kernel.open);
  words[CX_TIME / 4] = addressOf(kernel.time);
  words[CX_ISA / 4] = addressOf(kernel.isa);
  words[CX_CODE / 4] = addressOf(kernel.code);
  words[CX_ROW / 4] = addressOf(kernel.row);
  words[CX_SPECIAL / 4] = addressOf(kernel.special);
  showThresholds(list, kernel);
}

function showThresholds(
  { thanNs, floor, includeIdle }: Pick<SlowList, 'thanNs' | 'floor' | 'includeIdle'>,
  { view }: ContextKernel,
): void {
  view.words[CX_WITH_IDLE / 4] = includeIdle ? 1 : 0;
  view.doubles[CX_THAN / 8] = thanNs;
  view.doubles[CX_FLOOR / 8] = floor;
}

/** The first row from `from` on that may be one of the slow exits; the batch's length if there is none. */
export function nextSlow(
  { list }: ContextState,
  kernel: ContextKernel,
  batch: ArenaExits,
  from: number,
): number {
  showThresholds(list, kernel);
  return findSlow(kernel, batch, from);
}

/** The same for pairs of at least so many ns, idle or not. */
export function nextAsLong(kernel: ContextKernel, batch: ArenaExits, ns: number, from: number): number {
  showThresholds({ thanNs: -1, floor: ns, includeIdle: true }, kernel);
  return findSlow(kernel, batch, from);
}

function findSlow({ view: { arena, address } }: ContextKernel, batch: ArenaExits, from: number): number {
  return arena.kernels.findSlow(address, batch.address, from, batch.length);
}

function push(kernel: ContextKernel, thread: ThreadState, row: number): void {
  const slot = slotOf(kernel.slots, thread.tid);
  if (slot >= kernel.open.length) grow(kernel);
  kernel.open[slot] = thread.open ? 1 : 0;
  kernel.time[2 * slot] = thread.exitLow;
  kernel.time[2 * slot + 1] = thread.exitHigh;
  kernel.isa[slot] = thread.isa;
  kernel.code[slot] = thread.code;
  kernel.row[slot] = row;
  kernel.special[slot] = thread.head !== null || thread.offCpu >= 0 || isUsed(thread.window) ? 1 : 0;
}

function pull(kernel: ContextKernel, thread: ThreadState): void {
  const slot = slotOf(kernel.slots, thread.tid);
  thread.open = kernel.open[slot] === 1;
  thread.exitLow = kernel.time[2 * slot] >>> 0;
  thread.exitHigh = kernel.time[2 * slot + 1] >>> 0;
  thread.isa = kernel.isa[slot];
  thread.code = kernel.code[slot] >>> 0;
}

/** It has to be cleared before the next exit. */
function isUsed({ seen, ran, switches }: ThreadWindow): boolean {
  return seen > 0 || ran.length > 0 || switches > 0;
}

function grow(kernel: ContextKernel): void {
  const { arena } = kernel.view;
  const length = 2 * kernel.open.length;
  kernel.open = widened(uint8s, arena, length, kernel.open);
  kernel.time = widened(int32s, arena, 2 * length, kernel.time);
  kernel.isa = widened(uint8s, arena, length, kernel.isa);
  kernel.code = widened(int32s, arena, length, kernel.code);
  kernel.row = widened(int32s, arena, length, kernel.row);
  kernel.special = widened(uint8s, arena, length, kernel.special);
}
