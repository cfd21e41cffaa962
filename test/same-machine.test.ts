/** Recordings of two machines in one report are told, those of one machine are not. */
import { expect, test } from 'vitest';
import { combineContexts, createInputContext } from '../src/capture/combine-contexts.ts';
import { createTraceContext, type TraceContext } from '../src/core/trace-context.ts';

function warning(...facts: Partial<TraceContext>[]): string | undefined {
  const run = createTraceContext();
  combineContexts(
    run,
    facts.map((own) => Object.assign(createInputContext(run), own)),
  );
  return run.diagnostics.entries.get('machines-differ')?.message;
}

const amd = { host: 'a', kernel: '6.1', arch: 'x86_64', cpuModel: 'AMD EPYC' };

test('what differs is named', () => {
  expect(warning(amd, { ...amd, cpuModel: 'Intel Xeon' })).toContain('(CPU AMD EPYC and Intel Xeon)');
  const message = warning(amd, { ...amd, host: 'b', kernel: '6.12' });
  expect(message).toContain('host a and b; kernel 6.1 and 6.12');
  expect(message).toContain('kvmtrace diff');
});

test('the same machine, and what is not stated, are no matter', () => {
  expect(warning(amd, { ...amd, cpuModel: 'AMD  EPYC ' })).toBeUndefined();
  expect(warning(amd, {})).toBeUndefined();
  expect(warning({}, {})).toBeUndefined();
});
