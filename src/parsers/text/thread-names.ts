/** Names and process ids of threads as lines print them, entered into the thread table only when they change. */
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { decodeText } from './numbers.ts';

const SLOTS = 4096;
/** Columns of a name: 15 bytes at most, right-aligned in 16. */
export const NAME_COLUMNS = 16;

export interface ThreadNames {
  readonly context: TraceContext;
  /** By tid modulo SLOTS: the thread whose name and pid are in the slot. */
  readonly tid: Int32Array;
  readonly pid: Int32Array;
  readonly used: Uint8Array;
  readonly bytes: Uint8Array;
  readonly scratch: Uint8Array;
}

export function createThreadNames(context: TraceContext): ThreadNames {
  return {
    context,
    tid: new Int32Array(SLOTS),
    pid: new Int32Array(SLOTS),
    used: new Uint8Array(SLOTS),
    bytes: new Uint8Array(SLOTS * NAME_COLUMNS),
    scratch: new Uint8Array(NAME_COLUMNS),
  };
}

/** Takes the name printed in [start, end) for thread `tid`; pid −1: not printed. */
export function noteThread(
  names: ThreadNames,
  buf: Uint8Array,
  start: number,
  end: number,
  tid: number,
  pid: number,
): void {
  const slot = tid & (SLOTS - 1);
  if (
    end - start === NAME_COLUMNS &&
    names.used[slot] === 1 &&
    names.tid[slot] === tid &&
    names.pid[slot] === pid
  ) {
    const { bytes } = names;
    const base = slot * NAME_COLUMNS;
    let i = 0;
    while (i < NAME_COLUMNS && bytes[base + i] === buf[start + i]) i++;
    if (i === NAME_COLUMNS) return;
  }
  learnThread(names, buf, start, end, tid, pid, slot);
}

function learnThread(
  names: ThreadNames,
  buf: Uint8Array,
  start: number,
  end: number,
  tid: number,
  pid: number,
  slot: number,
): void {
  let from = start;
  while (from < end && buf[from] === 32) from++;
  if (end - start === NAME_COLUMNS) {
    names.used[slot] = 1;
    names.tid[slot] = tid;
    names.pid[slot] = pid;
    names.bytes.set(buf.subarray(start, end), slot * NAME_COLUMNS);
  }
  const thread = threadOf(names.context.threads, tid);
  if (pid >= 0) thread.pid = pid;
  // The kernel prints <...> for a name that it has forgotten, <XXX> for impossible pids.
  const name = decodeText(buf, from, Math.min(end, from + 4 * NAME_COLUMNS));
  if (name !== '<...>' && name !== '<XXX>') thread.comm = name;
}
