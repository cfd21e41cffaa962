/** Sampled groups (`-e '{a,b}:S'`): the leader's samples hold the members' counts, which is all that is known of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPerf } from './support/perf-data.ts';
import { perfEncoder } from './support/perf-data-encoder.ts';
import { type PerfRecord, PLAIN } from './support/perf-data-records.ts';

const [TIMES, ID, GROUP, LOST] = [3, 4, 8, 16];

/** Exits with what was counted since the one before: of entries, and of an event that is no tracepoint. */
const samples = fc
  .array(fc.record({ entries: fc.integer({ min: 0, max: 2 }), other: fc.integer({ min: 0, max: 1 }) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((steps) => {
    const counts: [number, number, number] = [0, 0, 0];
    return steps.map(({ entries, other }, i): PerfRecord & { counted: boolean } => {
      counts[0]++;
      counts[1] += entries;
      counts[2] += other;
      return {
        ...{ kind: 'exit', time: BigInt(1000 + i), cpu: i % 3, pid: 5, tid: 6, value: i, rip: 9n, name: '' },
        counts: [...counts],
        counted: entries > 0,
      };
    });
  });

test('a member appears once at each sample before which it happened, with the leader’s time and data', () => {
  fc.assert(
    fc.property(
      samples,
      fc.constantFrom(0, 1, 2, TIMES),
      fc.constantFrom(0, LOST),
      fc.record({ little: fc.boolean(), callchain: fc.constantFrom(null, 2), cpu: fc.boolean() }),
      (stream, times, lost, how) => {
        const encoder = perfEncoder({ ...PLAIN, ...how, readFormat: GROUP | ID | times | lost });
        const { rows, diagnostics } = readPerf(encoder.file(encoder.records(stream)));
        const row = ({ time, cpu, value }: PerfRecord, event: string) =>
          `${time} ${how.cpu ? cpu : ''} 6 5 ${event} -1 1 ${value} 9    `;
        expect(rows).toEqual(
          stream.flatMap((sample) => [
            row(sample, 'kvm_exit'),
            ...(sample.counted ? [row(sample, 'kvm_entry')] : []),
          ]),
        );
        // Each of them is told, because latencies between such events mean nothing.
        const members = stream.filter(({ counted }) => counted).length;
        expect(diagnostics['leader-sampled-group'] ?? 0).toBe(members);
      },
    ),
    { numRuns: 200 },
  );
});

test('without ids, or without a group, there are no members', () => {
  fc.assert(
    fc.property(
      samples,
      fc.constantFrom(GROUP, GROUP | TIMES, ID, ID | TIMES, LOST),
      (stream, readFormat) => {
        const encoder = perfEncoder({ ...PLAIN, readFormat });
        const { rows, diagnostics } = readPerf(encoder.file(encoder.records(stream)));
        expect(rows).toEqual(
          stream.map(({ time, cpu, value }) => `${time} ${cpu} 6 5 kvm_exit -1 1 ${value} 9    `),
        );
        expect(diagnostics).toEqual({});
      },
    ),
  );
});
