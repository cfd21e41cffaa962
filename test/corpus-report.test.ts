/** Reports on real captures equal what an independent program computed from the reference tools' own output. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const captures = [...listCaptures(SAMPLES), ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : [])];

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, capture) => {
  test('equals expected.json', async () => {
    const { expected } = capture;
    const model = await runReport([capture.path], {
      ...defaultReportOptions(),
      slowLimit: 10,
      includeIdle: true,
    });
    expect(model.capture.events).toEqual(expected.events);
    expect(model.capture.lost.events).toBe(expected.lost.events);
    expect(model.capture.lost.regions).toBe(expected.lost.marks);
    const { escalated, restarts, ...quality } = expected.quality;
    expect(model.quality).toMatchObject(quality);
    if (model.escalation.known) {
      expect(model.escalation.escalated).toBe(escalated);
      expect(model.escalation.restarts).toBe(restarts);
    }
    const reasons = model.reasons.map((reason) => ({
      isa: reason.isa,
      code: reason.code,
      exits: reason.exits,
      paired: reason.paired,
      totalNs: reason.totalNs,
      minNs: reason.minNs,
      maxNs: reason.maxNs,
      escalated: reason.escalated ?? 0,
      restarts: reason.restarts ?? 0,
      l2: reason.levels.L2 + reason.levels['L2-reflected'],
    }));
    const wanted = expected.reasons.map(({ name: _name, ...reason }) => reason);
    expect(sortReasons(reasons)).toEqual(sortReasons(wanted));
    // Names: the corpus prints numbers for classes that the kernel has no name for.
    for (const reason of expected.reasons) {
      const found = model.reasons.find(
        (r) => r.isa === reason.isa && r.code === reason.code && r.exits === reason.exits,
      );
      if (!/^0x/.test(reason.name)) expect(found?.name).toBe(reason.name);
    }
    // Text shows <...> where the kernel had forgotten a name; another line of the thread may have it.
    // perf script --guest-code prints `[guest/PID]` instead of the thread's name (arm64.md).
    for (const thread of expected.threads)
      if (/^\[guest\/|^<\.\.\.>$/.test(thread.comm))
        thread.comm = model.vcpus.find(({ tid }) => tid === thread.tid)?.comm as string;
      // trace-cmd report prints the instance in front of the name.
      else if (capture.id.includes('tc-inst')) thread.comm = thread.comm.replace(/^kvmi:\s+/, '');
    const threads = model.vcpus.map(({ tid, comm, exits }) => ({ tid, comm, exits }));
    expect(threads.sort((a, b) => a.tid - b.tid)).toEqual(
      [...expected.threads].sort((a, b) => a.tid - b.tid),
    );
    const slow = model.slow.map(({ latencyNs, exitNs, tid, isa }) => ({
      latencyNs,
      exitNs: Number(exitNs),
      tid,
      isa,
    }));
    expect(slow).toEqual(
      expected.slowest.filter((row) => row.latencyNs > 0).map(({ name: _name, ...row }) => row),
    );
  });
});

function sortReasons<T extends { isa: string; code: number | null; exits: number; totalNs: unknown }>(
  rows: T[],
): T[] {
  const key = (row: T) => `${row.isa} ${row.code} ${row.exits} ${row.totalNs}`;
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
