/** Names and processes of threads: COMM and FORK records. */
import { threadOf } from '../../core/thread-table.ts';
import type { RecordState } from './record-state.ts';
import { RECORD_COMM } from './record-types.ts';

const utf8 = new TextDecoder();

/** Applies the COMM or FORK record at `at` to the thread table. */
export function applyThreadRecord(state: RecordState, at: number, size: number): void {
  const { little } = state;
  const { bytes, view } = state.window;
  const { threads } = state.context;
  if (size < 24) return;
  if (view.getUint32(at, little) === RECORD_COMM) {
    const thread = threadOf(threads, view.getInt32(at + 12, little));
    thread.pid = view.getInt32(at + 8, little);
    let stop = at + 16;
    while (stop < at + size && bytes[stop] !== 0) stop++;
    thread.comm = utf8.decode(bytes.subarray(at + 16, stop));
    return;
  }
  // A new thread has its creator's name until a COMM says otherwise.
  const creator =
    threads.byTid.get(view.getInt32(at + 20, little)) ?? threads.byTid.get(view.getInt32(at + 12, little));
  const thread = threadOf(threads, view.getInt32(at + 16, little));
  thread.pid = view.getInt32(at + 8, little);
  if (creator) thread.comm = creator.comm;
}
