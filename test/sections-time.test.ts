/** The sections over time as users get them: invariants of the model on real captures, and "not recorded" instead of 0. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startHeatmap } from '../src/commands/heatmap-file.ts';
import { runReport } from '../src/commands/pipeline.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_HALT_POLL_NS,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
} from '../src/core/events.ts';
import { ISA_SVM, ISA_VMX } from '../src/core/isa-codes.ts';
import { intervalsSection } from '../src/report/build-intervals.ts';
import { csvData } from '../src/report/csv-tables.ts';
import { ratePart } from '../src/report/html/rate.ts';
import { renderJson } from '../src/report/json.ts';
import { render as renderMarkdown } from '../src/report/markdown.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { render as renderText } from '../src/report/text.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { isReadable, type TestEvent } from './support/events.ts';
import { madeUp } from './support/made-up-report.ts';
import { defaultReportOptions } from './support/options.ts';

const SECTIONS = ['ledger', 'halt-polling', 'nested', 'intervals', 'storms', 'heatmap'];
const SLOW = { slowLimit: 10, thanNs: 0, includeIdle: false };

function report(path: string, rest: object = {}) {
  const passes = sectionRequests(SECTIONS, SLOW);
  return runReport([path], { ...defaultReportOptions(), sections: SECTIONS, passes, ...rest });
}

const all = [...listCaptures(SAMPLES), ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : [])].filter(
  ({ path }) => isReadable(path),
);

describe.each(all.map((capture) => [capture.id, capture] as const))('%s', (_, { path }) => {
  test('columns add up, sections agree with the report, nothing unrecorded is 0', async () => {
    const model = await report(path);
    const { ledger, haltPolling, intervals, nested, heatmap, storms, capture, quality } = model;
    if (ledger!.known) expect(BigInt(ledger!.wallNs!)).toBe(BigInt(capture.durationNs!));
    for (const row of ledger!.rows) {
      const columns = [
        row.guestNs,
        row.kernelNs,
        row.userspaceNs,
        row.haltPollingNs,
        row.haltBlockedNs,
        row.haltUndividedNs,
        row.runnableNs,
        row.preemptedNs,
        row.unknownNs,
      ];
      expect(columns.reduce<number>((sum, ns) => sum + (ns ?? 0), 0)).toBe(row.wallNs);
      expect(row.wallNs).toBe(ledger!.wallNs);
      expect(Object.values(row.unknown).reduce((a, b) => a + b, 0)).toBe(row.unknownNs);
      const has = (name: string) => (capture.events[name] ?? 0) > 0;
      if (!has('sched_switch')) expect([row.preemptedNs, row.runnableNs]).toEqual([null, null]);
      if (has('kvm_vcpu_wakeup')) expect(row.haltBlockedNs).not.toBeNull();
      if (has('kvm_userspace_exit')) expect(row.userspaceNs).not.toBeNull();
    }
    expect(haltPolling!.total?.halts ?? 0).toBe(capture.events.kvm_vcpu_wakeup ?? 0);
    expect(haltPolling!.known).toBe(haltPolling!.total !== null);
    expect(intervals!.rows.reduce((sum, row) => sum + row.exits, 0)).toBe(quality.exits);
    expect(intervals!.totals.reduce((sum, row) => sum + BigInt(row.totalNs ?? 0), 0n)).toBe(
      BigInt(model.totals.totalNs ?? 0),
    );
    expect(heatmap!.cells.reduce((sum, [, , pairs]) => sum + pairs, 0)).toBe(quality.paired);
    if (nested!.known) {
      expect(nested!.levels.reduce((sum, row) => sum + row.all.exits, 0)).toBe(quality.exits);
      for (const row of nested!.levels)
        expect(row.L2.exits).toBe(row['L2-handled'].exits + row['L2-reflected'].exits);
      for (const row of nested!.levels)
        expect(row.all.totalNs).toBe(
          model.reasons.find(
            ({ isa, code, name }) => isa === row.isa && code === row.code && name === row.name,
          )!.totalNs,
        );
    } else expect(nested!.levels).toEqual([]);
    expect(storms!.simultaneous === null || storms!.simultaneous.vcpus > 1).toBe(true);

    const options = {
      color: false,
      width: 100,
      rows: 0,
      histogram: false,
      table: 'reasons',
      sections: SECTIONS,
    };
    const text = renderText(model, options);
    expect(Math.max(...text.split('\n').map((line) => [...line].length))).toBeLessThanOrEqual(100);
    if (!nested!.known) expect(text).toContain('Nesting was not recorded');
    if (!haltPolling!.known) expect(text).toContain('no kvm_vcpu_wakeup in the capture');
    expect([...renderMarkdown(model, options)].join('')).toContain('## Time ledger');
    const json = JSON.parse([...renderJson(model)].join(''));
    expect(json.ledger.rows.length).toBe(ledger!.rows.length);
    for (const table of [
      'ledger',
      'halt-polling',
      'halt-poll-windows',
      'nested',
      'nested-cycles',
      'intervals',
      'rate-changes',
      'bursts',
      'simultaneous',
      'beats',
      'heatmap',
    ]) {
      const { headers, rows } = csvData(model, table);
      for (const row of rows) expect(row.length).toBe(headers.length);
    }
  });
});

const nestedSample = join(SHARED, 'corpus/x86/nested-tc/trace.dat');
test.skipIf(!existsSync(nestedSample))(
  'an L2 exit on AMD costs several exits, each of which is counted once',
  async () => {
    const { nested } = await report(nestedSample);
    expect(nested!.cycles!.length).toBeGreaterThan(0);
    // VMSAVE, VMLOAD, STGI … VMRUN: the L1 hypervisor of the capture is KVM.
    expect(nested!.exitsPerReflectedExit).toBeGreaterThan(5);
    const cycles = nested!.cycles!.reduce((sum, row) => sum + row.cycles, 0);
    const reflected = nested!.levels.reduce((sum, row) => sum + row['L2-reflected'].exits, 0);
    expect(cycles).toBeLessThanOrEqual(reflected);
    expect(cycles).toBeGreaterThan(0.9 * reflected);
  },
);

const perf = join(SHARED, 'corpus/x86/tc-sched/trace.dat');
test.skipIf(!existsSync(perf))(
  '--from and --to cut the ledger; --tid chooses rows; --heatmap writes every pair',
  async () => {
    const base = defaultReportOptions();
    const from = { ns: 200_000_000n, origin: 'start' };
    const to = { ns: 700_000_000n, origin: 'start' };
    const cut = await report(perf, {
      filters: { ...base.filters, from, to, tids: [140], words: [{ kind: 'time' as const, words: 'x' }] },
    });
    expect(cut.ledger!.rows.map(({ tid, wallNs }) => [tid, wallNs])).toEqual([[140, 500_000_000]]);
    const whole = await report(perf);
    const row = whole.ledger!.rows.find(({ tid }) => tid === 140)!;
    expect(cut.ledger!.rows[0].guestNs).toBeLessThan(row.guestNs);
    expect(row.preemptedNs).toBeGreaterThan(0);
    expect(row.runnableNs).toBeGreaterThan(0);

    const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-heatmap-'));
    try {
      const file = join(folder, 'heatmap.lat');
      const heatmap = startHeatmap(file, []);
      const model = await report(perf, { passes: heatmap.passes });
      heatmap.commit();
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      expect(lines.length).toBe(model.quality.paired);
      expect(lines.every((line) => /^\d+ \d+$/.test(line))).toBe(true);
      expect(lines.reduce((sum, line) => sum + BigInt(line.split(' ')[1]), 0n)).toBe(
        BigInt(model.totals.totalNs!),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test('the ledger: what was not recorded is null and in another column, what never happened is 0', async () => {
  const report = await madeUp(['ledger']);
  const HLT = 12;
  const events: TestEvent[] = [
    { time: 0, event: EV_ENTRY },
    { time: 100, event: EV_EXIT, isa: ISA_VMX, code: HLT },
    { time: 180, event: EV_VCPU_WAKEUP, arg0: 50, code: 1 },
    { time: 200, event: EV_ENTRY },
    { time: 300, event: EV_EXIT, isa: ISA_VMX, code: 30 },
    { time: 320, event: EV_USERSPACE_EXIT, code: 2, arg0: 0 },
    { time: 400, event: EV_ENTRY },
    { time: 1000, event: EV_EXIT, isa: ISA_VMX, code: 30 },
  ];
  const ledgerOf = (left: (event: TestEvent) => boolean, enabled: readonly string[] | null) => {
    const { ledger } = report(events.filter(left), enabled);
    const [
      { wallNs, guestNs, kernelNs, userspaceNs, haltPollingNs, haltBlockedNs, haltUndividedNs, ...rest },
    ] = ledger!.rows;
    expect([wallNs, guestNs, rest.unknownNs, ledger!.wallNs]).toEqual([1000, 800, 0, 1000]);
    expect([rest.runnableNs, rest.preemptedNs, ledger!.recorded.preempted]).toEqual([null, null, false]);
    return { kernelNs, userspaceNs, haltPollingNs, haltBlockedNs, haltUndividedNs };
  };
  const all = () => true;
  const only = ({ event }: TestEvent) => event === EV_EXIT || event === EV_ENTRY;
  expect(ledgerOf(all, null)).toEqual({
    ...{ kernelNs: 70, userspaceNs: 80, haltPollingNs: 0, haltBlockedNs: 50, haltUndividedNs: 0 },
  });
  expect(ledgerOf(only, null)).toEqual({
    ...{ kernelNs: 100, userspaceNs: null, haltPollingNs: null, haltBlockedNs: null, haltUndividedNs: 100 },
  });
  expect(ledgerOf(only, [])).toEqual(ledgerOf(only, null));
  expect(ledgerOf(only, ['kvm_userspace_exit'])).toEqual({ ...ledgerOf(only, null), userspaceNs: 0 });
  // Halts were recorded and there was none: what looked like one is handling of an exit.
  expect(ledgerOf(only, ['kvm_vcpu_wakeup'])).toEqual({
    ...{ kernelNs: 200, userspaceNs: null, haltPollingNs: 0, haltBlockedNs: 0, haltUndividedNs: 0 },
  });
});

test('intervals: the last, shorter one has a rate over its own length, or none if little is left of it', async () => {
  const report = await madeUp(['intervals']);
  const rates = (endNs: number) => {
    const pair = (ns: number): TestEvent[] => [
      { time: ns, event: EV_EXIT, tid: 7, isa: ISA_VMX, code: 30 },
      { time: ns + 1, event: EV_ENTRY, tid: 7 },
    ];
    const model = report([0, 500_000, endNs - 1].flatMap(pair), null);
    const text = renderText(model, {
      ...{ color: false, width: 100, rows: 0, histogram: false, table: 'reasons' },
      sections: ['intervals'],
    });
    const { headers, rows } = csvData(model, 'intervals');
    return {
      json: model.intervals!.totals.map(({ lengthNs, perSecond }) => [lengthNs, perSecond]),
      csv: [...rows].map((row) => row[headers.indexOf('perSecond')]),
      said: /The (?:last|only) interval [^.]*(?:\.\d[^.]*)?\./.exec(text.replace(/\s+/g, ' '))?.[0],
    };
  };
  expect(rates(1_003_000)).toEqual({
    json: [
      [1e6, 2000],
      [3000, null],
    ],
    csv: [2000, null],
    said: 'The last interval is 3 us long, too short for a rate.',
  });
  expect(rates(1_250_000)).toEqual({
    json: [
      [1e6, 2000],
      [250_000, 4000],
    ],
    csv: [2000, 4000],
    said: 'The last interval is 250 us long, and its rate is over that time.',
  });
  // All that there is.
  expect(rates(600_000)).toEqual({
    json: [[600_000, 5000]],
    csv: [5000],
    said: 'The only interval is 600 us long, and its rate is over that time.',
  });
});

test('intervals: rates, averages and which keys rows have; without exits or entries, what is not known', async () => {
  const report = await madeUp(['intervals']);
  // Far beyond 2^32 ns: the first 2 ms have 4 exits of 10, 20, 30 and 40 ns, the third ms none, the fourth 1.
  const start = 5n << 32n;
  const at = (ns: number, event: number, code?: number): TestEvent => ({
    ...{ time: start + BigInt(ns), event, tid: 7 + (ns % 2) },
    ...(code === undefined ? {} : { isa: ISA_VMX, code }),
  });
  const pair = (ns: number, latency: number, code: number) => [
    at(ns, EV_EXIT, code),
    { ...at(ns, EV_ENTRY), time: start + BigInt(ns + latency) },
  ];
  const failed = 0x80000021;
  const events = [
    ...[...pair(0, 10, 30), ...pair(1000, 20, 12), ...pair(2001, 30, 30)],
    ...[...pair(1_500_000, 40, 30), ...pair(3_400_000, 100, failed), at(3_500_000, EV_EXIT, 30)],
  ];
  const { intervals } = report(events, null);
  expect(intervals).toMatchObject({ known: true, widthNs: 1e6, fixed: false, omitted: 0 });
  expect(intervals!.totals).toMatchObject([
    { fromNs: start, lengthNs: 1e6, exits: 3, perSecond: 3000, paired: 3, totalNs: 60, avgNs: 20, maxNs: 30 },
    { fromNs: start + 1_000_000n, exits: 1, perSecond: 1000, avgNs: 40 },
    // A curve falls to 0 here.
    { fromNs: start + 2_000_000n, exits: 0, perSecond: 0, paired: 0, totalNs: 0, avgNs: null, p99Ns: null },
    { fromNs: start + 3_000_000n, lengthNs: 500_000, exits: 2, perSecond: 4000, paired: 1, avgNs: 100 },
  ]);
  expect(intervals!.complete).toBe(true);
  const model = report(events, null);
  const { headers, rows: lines } = csvData(model, 'intervals');
  const column = (name: string) => [...lines].map((line) => line[headers.indexOf(name)]);
  // Each of three reasons in each of four intervals; together the exits that there are.
  expect(column('exits').map(Number).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2]);
  expect(new Set(column('fromNs')).size).toBe(4);
  const rows = intervals!.rows.map(({ fromNs, code, exits, idle, ...rest }) => {
    // Nobody asked for groups.
    for (const key of ['pid', 'tid', 'vcpu', 'cpu', 'level']) expect(rest).not.toHaveProperty(key);
    return [Number(fromNs - start) / 1e6, code, exits, idle];
  });
  expect(rows.sort()).toEqual(
    [
      [0, 30, 2, false],
      [0, 12, 1, true],
      [1, 30, 1, false],
      [3, 30, 1, false],
      [3, failed, 1, false],
    ].sort(),
  );
  const exits = events.filter(({ event }) => event === EV_EXIT);
  const unpaired = { exits: 3, paired: 0, totalNs: null, avgNs: null, p99Ns: null, maxNs: null };
  expect(report(exits, null).intervals!.totals[0]).toMatchObject(unpaired);
  const entries = events.filter(({ event }) => event === EV_ENTRY);
  expect(report(entries, null).intervals).toMatchObject({ known: false, totals: [], rows: [] });
});

test('intervals without exits are left out where there are too many, and that is said', async () => {
  const TEN_DAYS = 864_000n * 1_000_000_000n;
  const events = [0n, TEN_DAYS].flatMap((time) => [
    { time, event: EV_EXIT, isa: ISA_VMX, code: 30, tid: 7 },
    { time: time + 1000n, event: EV_ENTRY, tid: 7 },
  ]);
  const report = await madeUp(['intervals'], { intervalNs: 1_000_000 });
  const model = report(events, null);
  expect(model.intervals).toMatchObject({ complete: false, totals: [{ exits: 1 }, { exits: 1 }] });
  expect([...csvData(model, 'intervals').rows]).toHaveLength(2);
  const block = intervalsSection.blocks(model, 30, true)[0];
  expect(block.sentences.join(' ')).toContain('Intervals without exits are left out');
  // The chart joins intervals, and its time is still that of the recording.
  const chart = ratePart.render(model, { rows: 30 } as never)!.markup;
  expect(chart).toContain('Exits per second, per 865 ms');
  const hourly = (await madeUp(['intervals'], { intervalNs: 3_600_000_000_000 }))(events, null);
  expect(hourly.intervals!.totals).toHaveLength(241);
  expect(hourly.intervals!.complete).toBe(true);
});

test('halt polling: not recorded is not the same as never halted', async () => {
  const report = await madeUp(['halt-polling']);
  const events: TestEvent[] = [
    { time: 0, event: EV_EXIT, isa: ISA_VMX, code: 12 },
    { time: 5, event: EV_ENTRY },
  ];
  const wakeup: TestEvent = { time: 4, event: EV_VCPU_WAKEUP, arg0: 3, arg1: 1, code: 0 };
  const haltsOf = (extra: readonly TestEvent[], enabled: readonly string[] | null) =>
    report([...events, ...extra], enabled).haltPolling!;
  for (const enabled of [null, [], ['kvm_halt_poll_ns']])
    expect(haltsOf([], enabled)).toEqual({ known: false, total: null, rows: [], leftOut: 0 });
  expect(haltsOf([], ['kvm_vcpu_wakeup'])).toMatchObject({
    known: true,
    total: { halts: 0, polled: 0, successRatio: null, failedPolls: null, failedPollNs: null },
  });
  expect(haltsOf([], ['kvm_vcpu_wakeup', 'kvm_halt_poll_ns']).total).toMatchObject({ failedPolls: 0 });
  expect(haltsOf([wakeup], null)).toMatchObject({
    known: true,
    total: { halts: 1, polled: 1, successRatio: 1, polledNs: 3, waitedNs: 0, failedPolls: null },
    rows: [{ tid: 7, halts: 1, window: null }],
  });
  const grown: TestEvent = { time: 3, event: EV_HALT_POLL_NS, vcpu: 0, arg0: 20, arg1: 10, code: 1 };
  expect(haltsOf([grown, { ...wakeup, code: 1 }], null)).toMatchObject({
    total: { halts: 1, polled: 0, successRatio: 0, waitedNs: 3, failedPolls: 1, failedPollNs: 3 },
    rows: [{ vcpu: 0, window: { grown: 1, shrunk: 0, firstNs: 10, lastNs: 20, maxNs: 20 } }],
  });
  // Sums beyond what a double counts stay exact.
  const long = Array.from({ length: 5 }, (_, i) => ({ ...wakeup, tid: 7 + i, arg0: 2 ** 51 + 1 }));
  expect(haltsOf(long, null).total!.polledNs).toBe(5n * (2n ** 51n + 1n));
});

const TEXT = { color: false, width: 200, rows: 0, histogram: false, table: 'reasons' };

test('halt polling as text: what was caught, in vain, and what other windows would have done', async () => {
  const sections = ['halt-polling'];
  const report = await madeUp(sections);
  const wakeup = (time: number, ns: number, waited: number): TestEvent => ({
    ...{ time, event: EV_VCPU_WAKEUP, arg0: ns, arg1: 1, code: waited },
  });
  const window: TestEvent = {
    time: 9000,
    event: EV_HALT_POLL_NS,
    vcpu: 0,
    arg0: 20_000,
    arg1: 10_000,
    code: 1,
  };
  const halts = [wakeup(5000, 4000, 0), window, wakeup(90_000, 60_000, 1)];
  const text = renderText(report(halts, null), { ...TEXT, sections }).replace(/ +/g, ' ');
  expect(text).toContain(
    '2 halts, of which polling caught 50.0%; 4.000 us polled with success, at most 10.00 us in vain.',
  );
  expect(text).toContain(' 0 7 - 2 50.0 4.000 us 10.00 us 60.00 us 20.00 us 20.00 us 1 0\n');
  // A window of 50 us polls 4 us, and 50 us in vain: 54 of 64 us of halts.
  expect(text).toContain('50.00 us 1 50.0 54.00 us 50.00 us 84.4\n');
  expect(text).toContain('100.0 us 2 100.0 64.00 us 0 ns 100.0\n');
  const without = renderText(report([halts[0], halts[2]], null), { ...TEXT, sections });
  expect(without.replace(/\s+/g, ' ')).toContain('polling in vain is not recorded (kvm_halt_poll_ns)');
});

test('nested guests: not recorded is not the same as none; levels, averages and what a handed on exit costs', async () => {
  const report = await madeUp(['nested']);
  const svm = (time: number, event: number, code: number): TestEvent => ({ time, event, isa: ISA_SVM, code });
  /** An exit of L2 that L1 handles with two more exits and VMRUN (128), and one that this host handles. */
  const cycle = (start: number, code: number): TestEvent[] => [
    ...[
      svm(start, EV_EXIT, code),
      svm(start + 1, EV_NESTED_VMEXIT, code),
      svm(start + 2, EV_NESTED_VMEXIT_INJECT, code),
    ],
    ...[
      { time: start + 5, event: EV_ENTRY },
      svm(start + 10, EV_EXIT, 131),
      { time: start + 11, event: EV_ENTRY },
    ],
    ...[svm(start + 20, EV_EXIT, 130), { time: start + 22, event: EV_ENTRY }, svm(start + 30, EV_EXIT, 128)],
    ...[svm(start + 32, EV_NESTED_VMENTER, 0), { time: start + 33, event: EV_ENTRY }],
    ...[
      svm(start + 40, EV_EXIT, 96),
      svm(start + 41, EV_NESTED_VMEXIT, 96),
      { time: start + 45, event: EV_ENTRY },
    ],
  ];
  const plain: TestEvent[] = [svm(0, EV_EXIT, 96), { time: 7, event: EV_ENTRY }];
  for (const enabled of [null, [], ['kvm_exit']])
    expect(report(plain, enabled).nested).toMatchObject({ known: false, levels: [], cycles: null });
  const nestedOf = (events: readonly TestEvent[], enabled: readonly string[] | null = null) =>
    report(events, enabled).nested!;
  expect(nestedOf(plain, ['kvm_nested_vmexit'])).toMatchObject({
    ...{ known: true, cycles: null, exitsPerReflectedExit: null },
    levels: [{ code: 96, L1: { exits: 1, avgNs: 7 }, L2: { exits: 0, totalNs: 0, avgNs: null } }],
  });
  const all = ['kvm_nested_vmexit', 'kvm_nested_vmexit_inject', 'kvm_nested_vmrun'];
  expect(nestedOf(plain, all)).toMatchObject({ cycles: [], exitsPerReflectedExit: null });
  const { levels, cycles, exitsPerReflectedExit } = nestedOf([
    ...plain,
    ...cycle(100, 124),
    ...cycle(200, 124),
    ...cycle(300, 78),
  ]);
  const level = (code: number) => levels.find((row) => row.code === code)!;
  expect(level(96)).toMatchObject({
    all: { exits: 4, paired: 4, totalNs: 22, avgNs: 6 },
    L1: { exits: 1, totalNs: 7 },
    L2: { exits: 3, totalNs: 15, avgNs: 5 },
    'L2-handled': { exits: 3 },
    'L2-reflected': { exits: 0, avgNs: null },
  });
  expect(level(124)).toMatchObject({
    L2: { exits: 2 },
    'L2-handled': { exits: 0 },
    'L2-reflected': { exits: 2 },
  });
  // The most frequent first; then by name.
  const rows = levels.map(({ all: { exits }, name }) => ({ exits, name }));
  expect(rows).toEqual([...rows].sort((a, b) => b.exits - a.exits || (a.name < b.name ? -1 : 1)));
  expect(cycles).toMatchObject([
    { code: 124, cycles: 2, exits: 6, avgExits: 3, totalNs: 60, avgNs: 30, maxNs: 30 },
    { code: 78, cycles: 1, exits: 3, avgExits: 3, totalNs: 30 },
  ]);
  expect(exitsPerReflectedExit).toBe(3);
});
