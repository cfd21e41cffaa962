/** perf kvm stat's own output on real captures against the views that reproduce it, line by line. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Filters } from '../src/commands/options.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions, type RawReportOptions } from '../src/commands/report-options.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const VIEWS = { vmexit: 'perf-kvm', mmio: 'perf-kvm-mmio', ioport: 'perf-kvm-ioport' } as const;

const captures = (HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []).filter(
  ({ id, path }) => /perf\.data(\.gz)?$/.test(id) && existsSync(join(dirname(path), 'kvmstat-vmexit.txt')),
);

/** Figures below the title line, without what perf says on stderr; rows of equal count in perf have any order. */
function rowsOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return (
    lines
      .slice(lines.findIndex((line) => line.startsWith('Analyze events')))
      .filter((line) => line !== '')
      // 0/0 where all times are 0 (timestamps of a clock that stood still); we print 0.
      .map((line) => line.replace('-nan%', '0.00%'))
      // perf 6.3 made the first column 40 wide.
      .map((line) => line.replace(/^ {20}(?=.{90})/, ''))
  );
}

async function view(path: string, name: string, filters: Partial<Filters> = {}): Promise<string> {
  const options = { by: [], pids: null, tids: null, vcpus: null, thanNs: 0, intervalNs: 0 };
  const defaults = defaultReportOptions();
  const model = await runReport([path], {
    ...defaults,
    filters: { ...defaults.filters, ...filters },
    view: { name, options },
  });
  return model.view!.text;
}

describe.skipIf(!HAS_SHARED).each(captures.map(({ id, path }) => [id, path] as const))('%s', (_, path) => {
  test.each(Object.entries(VIEWS))('%s', async (event, name) => {
    const wanted = rowsOf(readFileSync(join(dirname(path), `kvmstat-${event}.txt`), 'latin1'));
    const text = await view(path, name);
    // perf prints an empty table for events that were not recorded at all.
    if (/^Not recorded/.test(text)) {
      expect(wanted.at(-1)).toBe('Total Samples:0, Total events handled time:0.00us.');
      return;
    }
    const found = rowsOf(text);
    expect(found.slice(0, 2)).toEqual(wanted.slice(0, 2));
    expect(found.slice(2).sort()).toEqual(wanted.slice(2).sort());
  });
});

test.skipIf(!HAS_SHARED)('arm64: time from entry to exit, as perf has it', async () => {
  const folder = join(SHARED, 'corpus/arm64/61v3-perf-kvmstat-2vm');
  const report = readFileSync(join(folder, 'kvm-stat-report.txt'), 'latin1').split('### ')[1];
  const found = rowsOf(await view(join(folder, 'perf.data.guest'), 'perf-kvm'));
  expect(found).toEqual(rowsOf(report));
});

describe('filters', () => {
  const sample = join(SAMPLES, 'intel-perf/perf.data');
  const chosen: Partial<Filters> = {
    cpus: [0],
    reasons: [
      { isa: ISA_VMX, code: 32 },
      { isa: ISA_VMX, code: 10 },
    ],
    from: { ns: 200_000_000n, origin: 'start' },
    words: [
      { kind: 'cpu', words: 'CPU 0' },
      { kind: 'reason', words: 'reason WRMSR,CPUID' },
      { kind: 'time', words: 'from 200ms' },
    ],
  };

  test('choose the exits of the table', async () => {
    const defaults = defaultReportOptions();
    const report = await runReport([sample], { ...defaults, filters: { ...defaults.filters, ...chosen } });
    expect(report.quality.exits).toBe(report.quality.paired);
    const rows = (await view(sample, 'perf-kvm', chosen)).split('\n').filter((line) => line.includes('us ('));
    const counts = rows.map((line) => line.trim().split(/\s+/).slice(0, 2));
    expect(counts).toEqual(report.reasons.map(({ name, paired }) => [name, String(paired)]));
  });

  test('by reason and level take no thread from tables that they cannot choose from', async () => {
    const nested = join(SAMPLES, 'amd-perf-nested/perf.data.gz');
    const ports = async (raw: RawReportOptions) =>
      rowsOf(
        (await runReport([nested], await parseReportOptions({ view: 'perf-kvm-ioport', ...raw }))).view!.text,
      ).filter((line) => !line.startsWith('('));
    const whole = await ports({ vcpu: ['0'] });
    expect(whole.length).toBeGreaterThan(4);
    // The thread that uses ports has neither.
    expect(await ports({ vcpu: ['0'], reason: ['vmload'] })).toEqual(whole);
    expect(await ports({ vcpu: ['0'], level: ['L2'] })).toEqual(whole);
    expect((await ports({ vcpu: ['1'] })).length).toBeLessThan(4);
  });

  test('that cannot choose are told', async () => {
    expect(await view(join(SAMPLES, 'amd-perf-nested/perf.data.gz'), 'perf-kvm-ioport', chosen)).toContain(
      '(without effect here: reason WRMSR,CPUID)',
    );
    const whole = '(without effect here: CPU 0; reason WRMSR,CPUID; from 200ms.';
    expect(await view(sample, 'perf-stat', chosen)).toContain(whole);
    expect(await view(sample, 'kvm_stat', chosen)).toContain(whole);
    // This one counts what was chosen, but says over how long was recorded.
    const [head] = (await view(sample, 'kvmexit', chosen)).split('\n');
    expect(head).toMatch(/secs; only CPU 0; reason WRMSR,CPUID; from 200ms\.$/);
    for (const name of ['perf-kvm', 'perf-stat', 'kvm_stat'])
      expect(await view(sample, name)).not.toContain('without effect');
  });
});

test.each([
  ['perf-prof', { by: ['tid'], interval: '100ms' }, null],
  ['perf-prof', { by: ['cpu,tid'] }, '--by cpu'],
  ['kvmexit', { by: ['vm,tid,reason'] }, null],
  ['kvmexit', { by: ['vcpu'], interval: '1s' }, '--by vcpu, --interval'],
  ['kvm-bpf-count', { by: ['level'] }, null],
  ['kvm_stat', { by: ['tid'] }, '--by tid'],
])('%s with %j: what has no effect is told', async (name, raw, told) => {
  const nested = join(SAMPLES, 'amd-perf-nested/perf.data.gz');
  const model = await runReport([nested], await parseReportOptions({ view: name, ...raw }));
  const line = /^\(without effect here: (.*)\)$/m.exec(model.view!.text);
  expect(line === null ? null : line[1]).toBe(told);
});
