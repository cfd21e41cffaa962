/** Rows of --by: groups together, in the order of the keys as they were asked for. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions } from '../src/commands/report-options.ts';
import { SAMPLES } from './support/corpus.ts';

const NESTED = join(SAMPLES, 'amd-perf-nested/perf.data.gz');

test.each([
  ['level,vcpu', ['L1 0', 'L1 1', 'L2 0', 'L2-reflected 0']],
  ['vcpu,level', ['L1 0', 'L2 0', 'L2-reflected 0', 'L1 1']],
])('--by %s', async (by, groups) => {
  const { reasons } = await runReport([NESTED], await parseReportOptions({ by: [by] }));
  const inOrder = reasons.map(({ level, vcpu }) => `${level} ${vcpu}`);
  expect(inOrder.filter((group, i) => group !== inOrder[i - 1])).toEqual(groups);
  for (const [i, { exits }] of reasons.entries())
    if (i > 0 && inOrder[i] === inOrder[i - 1]) expect(exits).toBeLessThanOrEqual(reasons[i - 1].exits);
});
