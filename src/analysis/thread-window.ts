/** Events of one open exit, in bounded memory: the first few and the last few, and how many fell out between them. */
import { copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';

/** Kept from the beginning, and from the end. */
export const HEAD_EVENTS = 24;
const TAIL_EVENTS = 24;
const SLOTS = HEAD_EVENTS + TAIL_EVENTS;

/** Time that other threads (or this one) ran on the thread's CPU meanwhile. */
export interface RanThread {
  readonly tid: number;
  ns: number;
}

export interface ThreadWindow {
  readonly rows: EventBatch;
  /** Events seen since the exit, kept or not. */
  seen: number;
  readonly ran: RanThread[];
  /** Time of threads beyond MAX_RAN. */
  ranOther: number;
  /** Time off the CPU (switched out), ns. */
  offCpu: number;
  switches: number;
}

const MAX_RAN = 8;

/** Of copies, which are only read. */
const EMPTY = createEventBatch(1);

export function createWindow(): ThreadWindow {
  return { rows: createEventBatch(SLOTS), seen: 0, ran: [], ranOther: 0, offCpu: 0, switches: 0 };
}

export function clearWindow(window: ThreadWindow): void {
  window.seen = 0;
  // Setting a length is a call into the runtime, and hardly any window has one.
  if (window.ran.length > 0) window.ran.length = 0;
  window.ranOther = 0;
  window.offCpu = 0;
  window.switches = 0;
}

export function addToWindow(window: ThreadWindow, batch: EventBatch, row: number): void {
  const { seen } = window;
  const at = seen < HEAD_EVENTS ? seen : HEAD_EVENTS + ((seen - HEAD_EVENTS) % TAIL_EVENTS);
  copyRow(batch, row, window.rows, at);
  window.seen = seen + 1;
}

export function addRan(window: ThreadWindow, tid: number, ns: number): void {
  const known = window.ran.find((entry) => entry.tid === tid);
  if (known) known.ns += ns;
  else if (window.ran.length < MAX_RAN) window.ran.push({ tid, ns });
  else window.ranOther += ns;
}

/** A copy in the order of time: rows as few as there are. */
export function copyWindow(window: ThreadWindow): ThreadWindow {
  const kept = Math.min(window.seen, SLOTS);
  // Most have nothing in them, and a batch is seventeen arrays.
  const rows = kept === 0 ? EMPTY : createEventBatch(kept);
  rows.length = kept;
  const wrapped = window.seen > SLOTS ? (window.seen - HEAD_EVENTS) % TAIL_EVENTS : 0;
  for (let to = 0; to < kept; to++) {
    const from = to < HEAD_EVENTS ? to : HEAD_EVENTS + ((to - HEAD_EVENTS + wrapped) % TAIL_EVENTS);
    copyRow(window.rows, from, rows, to);
  }
  return { ...window, rows, ran: window.ran.map((entry) => ({ ...entry })) };
}

/** Adds what a later window saw (a copy of it, in order), as if one had seen all. */
export function appendWindow(window: ThreadWindow, later: ThreadWindow): void {
  const { rows, seen } = later;
  for (let row = 0; row < rows.length; row++) {
    if (row === HEAD_EVENTS) window.seen += seen - rows.length;
    addToWindow(window, rows, row);
  }
  for (const { tid, ns } of later.ran) addRan(window, tid, ns);
  window.ranOther += later.ranOther;
  window.offCpu += later.offCpu;
  window.switches += later.switches;
}
