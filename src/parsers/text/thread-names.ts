/** Names and process ids of threads as lines print them, entered into the thread table only when they change. */
import { BLANK } from '../../core/ascii.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { decodeText } from './numbers.ts';

const SLOTS = 4096;
/** Columns of a name: 15 bytes at most, right-aligned in 16. */
const NAME_COLUMNS = 16;

export interface ThreadNames {
  readonly context: TraceContext;
  /** By tid modulo SLOTS: the thread whose name and pid are in the slot. */
  readonly tid: Int32Array;
  readonly pid: Int32Array;
  readonly used: Uint8Array;
  /** Four words per slot: the NAME_COLUMNS bytes of the name. */
  readonly words: Int32Array;
  /** What line-heads.ts keeps for the thread under this name, −1: nothing. */
  readonly head: Int32Array;
}

export function createThreadNames(context: TraceContext): ThreadNames {
  return {
    context,
    tid: new Int32Array(SLOTS),
    pid: new Int32Array(SLOTS),
    used: new Uint8Array(SLOTS),
    words: new Int32Array(SLOTS * 4),
    head: new Int32Array(SLOTS).fill(-1),
  };
}

/** The thread's place in the arrays; others can have the same. */
export function threadSlot(tid: number): number {
  return tid & (SLOTS - 1);
}

/** Whether the NAME_COLUMNS bytes at `start` are the name that the thread is known under. */
export function isKnownThread(
  names: ThreadNames,
  view: DataView,
  start: number,
  tid: number,
  pid: number,
): boolean {
  const slot = threadSlot(tid);
  const { words } = names;
  return (
    names.used[slot] === 1 &&
    names.tid[slot] === tid &&
    names.pid[slot] === pid &&
    view.getInt32(start, true) === words[4 * slot] &&
    view.getInt32(start + 4, true) === words[4 * slot + 1] &&
    view.getInt32(start + 8, true) === words[4 * slot + 2] &&
    view.getInt32(start + 12, true) === words[4 * slot + 3]
  );
}

/** Takes the name printed in [start, end) for thread `tid`; pid −1: not printed. */
export function noteThread(
  names: ThreadNames,
  view: DataView,
  buf: Uint8Array,
  start: number,
  end: number,
  tid: number,
  pid: number,
): void {
  const padded = end - start === NAME_COLUMNS;
  if (padded && isKnownThread(names, view, start, tid, pid)) return;
  learnThread(names, buf, start, end, tid, pid);
  const slot = threadSlot(tid);
  names.head[slot] = -1;
  if (!padded) return;
  names.used[slot] = 1;
  names.tid[slot] = tid;
  names.pid[slot] = pid;
  for (let i = 0; i < 4; i++) names.words[4 * slot + i] = view.getInt32(start + 4 * i, true);
}

function learnThread(
  names: ThreadNames,
  buf: Uint8Array,
  start: number,
  end: number,
  tid: number,
  pid: number,
): void {
  let from = start;
  while (from < end && buf[from] === BLANK) from++;
  const thread = threadOf(names.context.threads, tid);
  if (pid >= 0) thread.pid = pid;
  // The kernel prints <...> for a name that it has forgotten, <XXX> for impossible pids.
  const name = decodeText(buf, from, Math.min(end, from + 4 * NAME_COLUMNS));
  if (name !== '<...>' && name !== '<XXX>') thread.comm = name;
}
