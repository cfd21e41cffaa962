/** Where it cannot be told which exits went to user space, no format may print a 0 for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { analyzeBatch, createAnalysis, finishAnalysis } from '../src/analysis/analyze.ts';
import { EVENT_ROLES } from '../src/analysis/roles.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { EV_ENTRY, EV_EXIT, EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { escalationGap } from '../src/report/build-escalation.ts';
import { buildModel } from '../src/report/build-model.ts';
import { RENDERERS } from '../src/report/renderers.ts';
import { smallTrace } from './fixtures/small-trace.ts';
import { eventBatch, type TestEvent } from './support/events.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-escalation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As perf script prints it with -F time,event,trace: without thread and CPU. */
function threadless(text: string, which: (line: string) => boolean = () => true): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) =>
      which(line)
        ? line.replace(/^.*?\[\d+\] d..2\. +/, '').replace(/: (kvm_\w+:)/, ': kvm:$1')
        : line.replace(/-(\d+) +\[(\d+)\] d..2\. +/, '   $1 [$2] ').replace(/: (kvm_\w+:)/, ': kvm:$1'),
    )
    .join('\n');
}

async function reportOn(text: string) {
  const path = join(folder, 'in.txt');
  writeFileSync(path, text);
  return runReport([path], defaultReportOptions());
}

async function rendered(model: Awaited<ReturnType<typeof reportOn>>, id: string, table = 'reasons') {
  const { render } = await RENDERERS.find((renderer) => renderer.id === id)!.load();
  let text = '';
  const options = { color: false, width: 200, rows: 0, histogram: false, table };
  for await (const part of render(model, options)) text += part;
  return text;
}

describe('no exit with a thread', () => {
  const trace = threadless(smallTrace(300));

  test('is unknown, with the reason, in the model', async () => {
    const model = await reportOn(trace);
    expect(model.quality.exits).toBe(300);
    expect(model.capture.events.kvm_userspace_exit).toBe(100);
    expect(model.escalation).toMatchObject({
      known: false,
      exits: null,
      escalated: null,
      ratio: null,
      restarts: null,
      kernelNs: null,
      userspaceNs: null,
      byReason: [],
    });
    expect(model.escalation.unknownBecause).toMatch(/no exit says in which thread/);
    for (const { escalated, restarts } of model.reasons) expect([escalated, restarts]).toEqual([null, null]);
    expect(model.verdict?.headline.escalatedPct).toBeNull();
  });

  test.each(['text', 'md', 'html'])('%s says so', async (id) => {
    const text = await rendered(await reportOn(trace), id);
    expect(text).toMatch(/no exit says in which thread/);
    expect(text).toMatch(/--view kvm_stat counts/);
    expect(text).not.toMatch(/\b0 of 300 exits|0\.0 ?%\)? went on|0 restarts/);
    expect(text).not.toMatch(/kvm_userspace_exit was not recorded: /);
  });

  test('JSON has null, CSV empty cells', async () => {
    const model = await reportOn(trace);
    const json = JSON.parse(await rendered(model, 'json'));
    expect(json.escalation).toMatchObject({ known: false, escalated: null, ratio: null });
    expect(json.reasons.map((row: { escalated: unknown }) => row.escalated)).toEqual([null, null, null]);
    const [head, ...rows] = (await rendered(model, 'csv'))
      .trim()
      .split(/\r?\n/)
      .map((line) => line.split(','));
    const column = head.indexOf('escalated');
    expect(column).toBeGreaterThan(0);
    expect(rows.map((row) => row[column])).toEqual(['', '', '']);
  });
});

test('no userspace exit with a thread: unknown as well', async () => {
  const model = await reportOn(threadless(smallTrace(300), (line) => line.includes('kvm_userspace_exit')));
  expect(model.quality.paired).toBe(300);
  expect(model.escalation).toMatchObject({ known: false, escalated: null });
  expect(model.escalation.unknownBecause).toMatch(/no kvm_userspace_exit says/);
});

test('some exits without a thread: known, and a warning says for how many it is not', async () => {
  let exits = 0;
  const model = await reportOn(
    threadless(smallTrace(300), (line) => line.includes('kvm_exit:') && exits++ % 10 === 5),
  );
  expect(model.escalation).toMatchObject({ known: true, exits: 300 });
  expect(model.quality.warnings).toContainEqual(
    expect.objectContaining({ code: 'escalation-in-part', severity: 'suspect', count: 30 }),
  );
});

test('switched on, but no exit was ever recorded: unknown, whatever a selection leaves', () => {
  const names = Array.from(EVENT_ROLES, (_, code) => (code === EV_EXIT ? 'kvm_exit' : `event ${code}`));
  const context = { enabledEvents: new Set(['kvm_exit', 'kvm_userspace_exit']), events: { names } };
  const gap = (exits: number, userspaceExits: number) => {
    const counts = Array.from(EVENT_ROLES, () => 0);
    counts[EV_EXIT] = exits;
    counts[EV_USERSPACE_EXIT] = userspaceExits;
    const analysis = {
      summary: { counts, markerCounts: counts },
      stats: { exits: [], groups: { count: 0 } },
      entries: { runExits: 0, userspaceExits },
      threads: { count: 0 },
    };
    return escalationGap(context as never, analysis as never);
  };
  expect(gap(0, 500)).toMatchObject({
    kind: 'not-joined',
    because: expect.stringMatching(/^Not known: .* no kvm_exit was recorded/),
  });
  expect(gap(7, 500)).toBeNull();
  expect(gap(0, 0)).toBeNull();
});

test('with threads nothing changes', async () => {
  const model = await reportOn(threadless(smallTrace(300), () => false));
  expect(model.escalation).toMatchObject({ known: true, unknownBecause: null, exits: 300, escalated: 100 });
});

describe('what tells whether it is known', () => {
  const exit = (time: number): TestEvent => ({ time, event: EV_EXIT, tid: 7, isa: ISA_VMX, code: 30 });
  const entry = (time: number): TestEvent => ({ time, event: EV_ENTRY, tid: 7 });
  const escalationOf = (events: readonly TestEvent[], enabled: readonly string[] | null) => {
    const context = createTraceContext();
    if (enabled !== null) Object.assign(context, { enabledEvents: new Set(enabled) });
    const options = {
      selection: null,
      grouping: { pid: false, tid: false, vcpu: false, cpu: false, level: false },
      ...{ slowLimit: 1, slowThanNs: 0, slowIncludeIdle: false, passes: [] },
    };
    const analysis = createAnalysis(null, options, () => {
      throw new Error('no passes');
    });
    analyzeBatch(analysis, eventBatch(events));
    const input = { toolVersion: '0', by: [], filters: [] };
    return buildModel(context, finishAnalysis(analysis), input).escalation;
  };
  const pair = [exit(10), entry(20)];
  const UNKNOWN = { known: false, exits: null, escalated: null, ratio: null, restarts: null };

  test('neither recorded nor said to have been recorded: unknown', () => {
    for (const enabled of [null, [], ['kvm_exit', 'kvm_entry']]) {
      expect(escalationOf(pair, enabled)).toMatchObject(UNKNOWN);
      expect(escalationOf(pair, enabled).unknownBecause).toMatch(
        /neither .* nor QEMU data\. Recording kvm:kvm_userspace_exit as well would tell\.$/,
      );
    }
  });

  test('said to have been recorded, but it never happened: none of the exits went there', () => {
    expect(escalationOf(pair, ['kvm_userspace_exit'])).toMatchObject({
      ...{ known: true, exits: 1, escalated: 0, ratio: 0, restarts: 0, byUserspaceReason: [] },
    });
    expect(escalationOf([entry(5)], ['kvm_userspace_exit', 'kvm_exit'])).toMatchObject({
      ...{ known: true, exits: 0, ratio: null },
    });
  });

  test('QEMU’s word alone tells it where it names the thread; otherwise how often only', () => {
    const word = { time: 15, event: EV_RUN_EXIT, vcpu: 0, code: 2 };
    expect(escalationOf([exit(10), { ...word, tid: 7 }, entry(20)], null)).toMatchObject({
      ...{ known: true, exits: 1, escalated: 1, ratio: 1, kernelNs: 5, userspaceNs: 5 },
    });
    const without = escalationOf([exit(10), word, entry(20)], null);
    expect(without).toMatchObject(UNKNOWN);
    expect(without.unknownBecause).toMatch(/^Not recorded per exit/);
  });

  test('without any exit there is nothing that could have gone there', () => {
    const none = escalationOf([{ time: 1, event: EV_USERSPACE_EXIT, tid: 7, code: 2, arg0: 0 }], null);
    expect(none).toMatchObject(UNKNOWN);
    expect(none.unknownBecause).toMatch(/no kvm_exit was recorded/);
  });
});
