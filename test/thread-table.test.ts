/** The table of threads is bounded, and says so. */
import { expect, test } from 'vitest';
import { listDiagnostics } from '../src/core/diagnostics.ts';
import { MAX_THREADS, threadOf } from '../src/core/thread-table.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { learnNames } from '../src/parsers/trace-dat/thread-names.ts';

test('threads for which there is no room are counted, by whatever a parser learns of them', () => {
  const { threads, diagnostics } = createTraceContext();
  for (let tid = 1; tid <= MAX_THREADS; tid++) threadOf(threads, tid);
  expect(listDiagnostics(diagnostics)).toEqual([]);
  threadOf(threads, MAX_THREADS + 1).comm = 'one';
  threadOf(threads, MAX_THREADS + 2).pid = 7;
  threadOf(threads, 3).comm = 'known';
  // A record of sched_switch: next_comm, next_pid.
  const view = new DataView(new ArrayBuffer(20));
  view.setUint8(0, 0x61);
  view.setInt32(16, MAX_THREADS + 3, true);
  learnNames(threads, [{ pidOffset: 16, nameOffset: 0, nameSize: 16 }], view, 0, 20, true);
  expect(threads.byTid.size).toBe(MAX_THREADS);
  expect(threads.byTid.get(3)!.comm).toBe('known');
  expect(listDiagnostics(diagnostics)).toMatchObject([
    { code: 'threads-not-kept', severity: 'suspect', count: 3 },
  ]);
});
