/** Each rule of the advice: a report in which it applies, one in which it must not, and what it may say. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { buildAdvice } from '../src/report/advice/build.ts';
import { RULES } from '../src/report/advice/rules.ts';
import { adviceSection } from '../src/report/advice/section.ts';
import type { DetailRowModel } from '../src/report/build-detail.ts';
import type { DeviceRowModel } from '../src/report/build-devices.ts';
import type { ReasonModel, ReportModel } from '../src/report/model.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { emptyModel, reason, vcpu } from './fixtures/report-models.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { madeUp } from './support/made-up-report.ts';
import { defaultReportOptions } from './support/options.ts';

const FIGURES = {
  paired: 0,
  minNs: 1,
  avgNs: 1000,
  maxNs: 5000,
  restarts: 0,
  errors: 0,
  kernelNs: 0,
  userspaceNs: 0,
  mayMiss: 0,
};

/** A port or MMIO address; escalated as given. */
function device(
  kind: 'port' | 'mmio',
  address: number,
  exits: number,
  over: Partial<DeviceRowModel> = {},
): DeviceRowModel {
  return {
    ...FIGURES,
    kind,
    direction: 'write',
    address: `0x${address.toString(16)}`,
    device: null,
    handler: 'user space',
    inKernel: 0,
    fast: 0,
    ioeventfd: false,
    exits,
    totalNs: exits * 1000,
    escalated: exits,
    ...over,
  };
}

function detail(kind: DetailRowModel['kind'], address: number, exits: number): DetailRowModel {
  return {
    ...FIGURES,
    isa: 'vmx',
    code: 32,
    name: 'MSR_WRITE',
    kind,
    direction: kind === 'msr' ? 'write' : null,
    address: `0x${address.toString(16)}`,
    what: null,
    exits,
    totalNs: exits * 1000,
    escalated: 0,
  };
}

interface Parts {
  reasons?: ReasonModel[];
  devices?: DeviceRowModel[];
  details?: DetailRowModel[];
  over?: Partial<ReportModel>;
}

const OTHER = reason({ name: 'RDTSC', code: 16, exits: 1000, totalNs: 1_000_000 });

/** A report of 10 s and two vCPUs with these exits and 1000 others of 1 us each. */
function model({ reasons = [], devices = [], details = [], over = {} }: Parts): ReportModel {
  const base = emptyModel();
  const rows = [OTHER, ...reasons];
  const totals = (list: readonly ReasonModel[]) => ({
    ...base.totals,
    exits: list.reduce((sum, row) => sum + row.exits, 0),
    paired: list.reduce((sum, row) => sum + row.paired, 0),
    totalNs: list.reduce((sum, row) => sum + Number(row.totalNs), 0),
    escalated: list.reduce((sum, row) => sum + (row.escalated ?? 0), 0),
    restarts: 0,
  });
  return {
    ...base,
    capture: { ...base.capture, timeIsNs: true, durationNs: 10_000_000_000 },
    vcpus: [vcpu({ tid: 1 }), vcpu({ tid: 2, vcpu: 1 })],
    reasons: rows,
    totals: totals(rows),
    busyTotals: totals(rows.filter(({ idle }) => !idle)),
    detail: {
      known: true,
      events: [],
      exits: 0,
      withDetail: 0,
      rows: details,
      pages: [],
      injected: null,
      hostVectors: null,
      eoi: null,
      floor: 0,
    },
    devices: {
      known: true,
      escalationKnown: true,
      rows: devices,
      escalations: [],
      accesses: [],
      ioeventfds: [],
      virtio: { queueNotify: null, notify: null, notifyIrqfd: null },
    },
    ...over,
  };
}

const CODES: Readonly<Record<string, number>> = { KVM_EXIT_IO: 2, KVM_EXIT_HLT: 5, KVM_EXIT_MMIO: 6 };

/** A recording of 10 s with these returns of KVM_RUN and events. */
function returned(counts: Readonly<Record<string, number>>, events: readonly string[] = []) {
  const { capture, escalation } = emptyModel();
  const byUserspaceReason = Object.entries(counts).map(([name, count]) => ({
    ...{ code: CODES[name], name, count, userspaceNs: count * 1000 },
  }));
  return {
    capture: {
      ...{ ...capture, timeIsNs: true, durationNs: 10_000_000_000 },
      events: Object.fromEntries(events.map((event) => [event, 1])),
    },
    escalation: { ...escalation, known: true, byUserspaceReason },
  };
}

const exits = (isa: string, code: number, count: number, over: Partial<ReasonModel> = {}) =>
  reason({ isa, code, name: `${isa}-${code}`, exits: count, totalNs: count * 1000, ...over });
const hlt = (shortOnes: number, longOnes: number) =>
  exits('vmx', 12, shortOnes + longOnes, {
    idle: true,
    histogram: [
      { loNs: 32768, hiNs: 65535, count: shortOnes },
      { loNs: 4194304, hiNs: 8388607, count: longOnes },
    ],
  });
const ledger = (preemptedNs: number): NonNullable<ReportModel['ledger']> => ({
  known: true,
  recorded: { userspace: true, halts: true, preempted: true, runnable: true },
  wallNs: 1e10,
  leftOut: 0,
  rows: [
    {
      ...({ pid: 1, tid: 1, vcpu: 0, comm: null, vm: null } as object),
      wallNs: 1e10,
      guestNs: 1e10 - preemptedNs,
      kernelNs: 0,
      userspaceNs: 0,
      haltPollingNs: 0,
      haltBlockedNs: 0,
      haltUndividedNs: 0,
      runnableNs: 0,
      preemptedNs,
      unknownNs: 0,
      unknown: { lostNs: 0, unpairedNs: 0, beforeNs: 0, afterNs: 0 },
    } as NonNullable<ReportModel['ledger']>['rows'][number],
  ],
});
const polling = (failedPolls: number, failedPollNs: number): ReportModel['haltPolling'] => ({
  known: true,
  total: {
    halts: 1000,
    polled: 100,
    successRatio: 0.1,
    invalid: 0,
    polledNs: 0,
    waitedNs: 0,
    failedPolls,
    failedPollNs,
    windows: [],
  },
  rows: [],
  leftOut: 0,
});
const lost = (events: number, regions: number): Partial<ReportModel> => ({
  capture: {
    ...emptyModel().capture,
    lost: { events, regions, uncountedRegions: 0, affectedNs: 10, affectedPct: 1 },
  },
});
const restarts = (count: number): Partial<ReportModel> => {
  const { totals } = model({});
  return { totals: { ...totals, restarts: count } };
};

/** Rule → where it applies, and the nearest case in which it must not. */
const CASES: Record<string, { yes: Parts[]; no: Parts[] }> = {
  losses: {
    yes: [{ over: lost(12, 3) }, { over: lost(0, 3) }, { over: lost(12, 0) }],
    no: [{ over: lost(0, 0) }],
  },
  nested: {
    yes: [{ reasons: [exits('vmx', 23, 900)] }, { reasons: [exits('svm', 0x80, 90)] }],
    no: [{ reasons: [exits('vmx', 18, 900)] }, { reasons: [exits('svm', 0x81, 900)] }],
  },
  'page-faults': {
    yes: [{ reasons: [exits('vmx', 48, 200)], details: [detail('page-fault', 0x1000, 200)] }],
    no: [
      { reasons: [exits('vmx', 48, 200, { escalated: 200 })], details: [] },
      { reasons: [exits('svm', 1024, 200)], details: [detail('mmio', 0xfee00000, 200)] },
    ],
  },
  'user-space-devices': {
    yes: [500, 250].map((count) => ({
      reasons: [exits('vmx', 30, count, { escalated: count })],
      devices: [device('port', 0x1f0, count)],
    })),
    no: [
      { reasons: [exits('vmx', 30, 500)], devices: [device('port', 0x1f0, 500, { escalated: 0 })] },
      // 19.9 % of all exits.
      { reasons: [exits('vmx', 30, 249, { escalated: 249 })], devices: [device('port', 0x1f0, 249)] },
    ],
  },
  'unnamed-devices': {
    yes: [
      { reasons: [exits('vmx', 30, 250)], over: returned({ KVM_EXIT_IO: 250 }) },
      // Ports are named, MMIO is not.
      { reasons: [exits('vmx', 48, 250)], over: returned({ KVM_EXIT_MMIO: 250 }, ['kvm_pio']) },
    ],
    no: [
      { reasons: [exits('vmx', 30, 250)], over: returned({ KVM_EXIT_IO: 249 }) },
      { reasons: [exits('vmx', 30, 250)], over: returned({ KVM_EXIT_IO: 250 }, ['kvm_pio']) },
      { reasons: [exits('vmx', 48, 250)], over: returned({ KVM_EXIT_MMIO: 250 }, ['kvm_fast_mmio']) },
      { reasons: [exits('vmx', 12, 250)], over: returned({ KVM_EXIT_HLT: 250 }) },
    ],
  },
  ioeventfd: {
    yes: [
      { devices: [device('mmio', 0xa003e50, 200, { device: 'virtio-mmio' })] },
      { devices: [device('mmio', 0xfe003000, 200, { ioeventfd: true })] },
    ],
    no: [
      { devices: [device('mmio', 0xa003e60, 200, { device: 'virtio-mmio' })] },
      { devices: [device('mmio', 0xfe003000, 200, { ioeventfd: true, escalated: 0 })] },
    ],
  },
  'serial-console': {
    yes: [{ devices: [device('port', 0x3f8, 100)] }, { devices: [device('mmio', 0x9000018, 100)] }],
    no: [{ devices: [device('port', 0x3f0, 100)] }, { devices: [device('port', 0x3f8, 12)] }],
  },
  hpet: {
    yes: [{ devices: [device('mmio', 0xfed000f0, 100)] }, { devices: [device('mmio', 0xfed003ff, 100)] }],
    no: [
      { devices: [device('mmio', 0xfed00400, 100)] },
      { devices: [device('mmio', 0xfed40000, 100)] },
      { devices: [device('port', 0xfed0, 100)] },
    ],
  },
  'pm-timer': {
    yes: [{ devices: [device('port', 0x608, 100, { direction: 'read' })] }],
    no: [
      { devices: [device('port', 0x608, 100)] },
      { devices: [device('port', 0x604, 100, { direction: 'read' })] },
    ],
  },
  'legacy-timers': {
    yes: [{ devices: [device('port', 0x71, 100)] }, { devices: [device('port', 0x40, 100)] }],
    no: [{ devices: [device('port', 0x72, 100)] }],
  },
  'hyper-v': {
    yes: [{ details: [detail('msr', 0x40000070, 50)], devices: [device('port', 0x71, 100)] }],
    no: [
      { details: [detail('msr', 0x40000070, 50)] },
      { details: [detail('msr', 0x40000070, 50)], devices: [device('port', 0x607, 100)] },
      { details: [detail('msr', 0x40000070, 50)], devices: [device('port', 0xb00c, 100)] },
      { details: [detail('msr', 0x40000070, 50)], devices: [device('mmio', 0xfed00400, 100)] },
      { details: [detail('msr', 0x4b564d01, 50)], devices: [device('port', 0x71, 100)] },
    ],
  },
  'timer-exits': {
    // A tenth of 1000 exits, and of those and its own.
    yes: [{ details: [detail('msr', 0x6e0, 100)] }, { reasons: [exits('vmx', 52, 112)] }],
    no: [
      { details: [detail('msr', 0x6e1, 300)] },
      { details: [detail('msr', 0x6e0, 99)] },
      { reasons: [exits('vmx', 52, 111)] },
    ],
  },
  ipi: {
    yes: [
      { details: [detail('msr', 0x830, 100)] },
      { reasons: [exits('svm', 1025, 100)] },
      { devices: [device('mmio', 0xfee00300, 100)] },
      { devices: [device('mmio', 0xfee00310, 100)] },
    ],
    no: [
      { devices: [device('mmio', 0xfee00300, 100, { direction: 'read' })] },
      { devices: [device('mmio', 0xfee00320, 100)] },
      { details: [detail('msr', 0x80b, 100)] },
      { details: [detail('msr', 0x830, 19)] },
    ],
  },
  'apic-exits': {
    yes: [
      { reasons: [exits('vmx', 44, 100)] },
      { devices: [device('mmio', 0xfee000b0, 100)] },
      { details: [detail('msr', 0x80b, 100)] },
    ],
    no: [{ details: [detail('msr', 0x830, 100)] }, { devices: [device('mmio', 0xfec00000, 100)] }],
  },
  'interrupt-window': {
    yes: [{ reasons: [exits('vmx', 7, 100)] }, { reasons: [exits('svm', 100, 100)] }],
    no: [{ reasons: [exits('vmx', 8, 100)] }, { reasons: [exits('svm', 7, 100)] }],
  },
  'host-interrupts': {
    yes: [
      { reasons: [exits('svm', 96, 400)] },
      { reasons: [exits('vmx', 1, 250)] },
      { reasons: [exits('arm64', 0, 400, { code: null, name: 'IRQ' })] },
    ],
    no: [{ reasons: [exits('vmx', 1, 249)] }],
  },
  preempted: {
    yes: [{ over: { ledger: ledger(2e9) } }, { over: { ledger: ledger(5e8) } }],
    no: [{ over: { ledger: ledger(4.99e8) } }, {}],
  },
  'short-halts': {
    yes: [{ reasons: [hlt(30, 70)] }, { reasons: [hlt(20, 0)] }],
    no: [
      { reasons: [hlt(29, 71)] },
      { reasons: [hlt(19, 0)] },
      // Handed to the L1 hypervisor: what took so short a time was no halt.
      { reasons: [{ ...hlt(60, 40), levels: { L1: 41, L2: 0, 'L2-reflected': 59 } }] },
    ],
  },
  'halt-polling': {
    yes: [{ over: { haltPolling: polling(900, 1e9) } } as Parts],
    no: [
      { over: { haltPolling: polling(900, 1e7) } } as Parts,
      { over: { haltPolling: polling(19, 1e9) } } as Parts,
      // A part of the time: of how much time it was polling is not known.
      {
        over: { haltPolling: polling(900, 1e9), selection: { filters: ['from 2s'], kinds: ['time'] } },
      } as Parts,
      {},
    ],
  },
  pause: {
    yes: [{ reasons: [exits('vmx', 40, 100)] }, { reasons: [exits('svm', 119, 100)] }],
    no: [{ reasons: [exits('vmx', 36, 100)] }],
  },
  'cpuid-user': {
    yes: [3, 49.9].map((guestKernelTimePct) => ({
      reasons: [exits('vmx', 10, 100, { guestKernelTimePct })],
    })),
    no: [
      { reasons: [exits('vmx', 10, 100, { guestKernelTimePct: 50 })] },
      { reasons: [exits('vmx', 10, 100, { guestKernelTimePct: null })] },
      // Several rows (--by): it is about all of their time.
      {
        reasons: [
          exits('vmx', 10, 10, { guestKernelTimePct: 0 }),
          exits('vmx', 10, 90, { guestKernelTimePct: 100 }),
        ],
      },
    ],
  },
  'split-locks': { yes: [{ reasons: [exits('vmx', 74, 1)] }], no: [{ reasons: [exits('svm', 74, 1)] }] },
  notify: { yes: [{ reasons: [exits('vmx', 75, 1)] }], no: [{ reasons: [exits('arm64', 75, 1)] }] },
  wbinvd: { yes: [{ reasons: [exits('svm', 137, 100)] }], no: [{ reasons: [exits('vmx', 54, 5)] }] },
  'debug-registers': {
    yes: [
      { reasons: [exits('vmx', 29, 100)] },
      { reasons: [exits('svm', 0x20, 100)] },
      { reasons: [exits('svm', 0x2f, 100)] },
      { reasons: [exits('svm', 0x3f, 100)] },
      { reasons: [exits('svm', 0x27, 30), exits('svm', 0x37, 30)] },
    ],
    no: [{ reasons: [exits('svm', 0x40, 100)] }, { reasons: [exits('svm', 0x1f, 100)] }],
  },
  // Of 1000 exits.
  kicks: { yes: [{ over: restarts(50) }], no: [{ over: restarts(49) }] },
  'dirty-logging': { yes: [{ reasons: [exits('vmx', 62, 3)] }], no: [{ reasons: [exits('svm', 62, 3)] }] },
};

test('every rule has its cases, and each id is there once', () => {
  expect(Object.keys(CASES).sort()).toEqual(RULES.map(({ id }) => id).sort());
});

describe.each(RULES.map((rule) => [rule.id, rule] as const))('%s', (id, rule) => {
  test('applies where it should, with the numbers behind it', () => {
    for (const parts of CASES[id].yes) {
      const found = buildAdvice(model(parts)).find((row) => row.id === id);
      expect(found, JSON.stringify(Object.keys(parts))).toBeDefined();
      expect(found!.evidence.join(' ')).toMatch(/\d/);
    }
  });
  test('does not where it should not', () => {
    for (const parts of CASES[id].no)
      expect(buildAdvice(model(parts)).map((row) => row.id)).not.toContain(id);
  });
  test('says where to read on, in sentences', () => {
    expect(rule.reference).toMatch(/^https:\/\/(docs\.kernel\.org|www\.qemu\.org)\//);
    expect(rule.fix).toMatch(/^[A-Z].*\.$/);
    expect(rule.title).toMatch(/^[A-Zav].*[^.]$/);
  });
});

test('a quiet report and an empty one get no advice', () => {
  expect(buildAdvice(model({}))).toEqual([]);
  expect(buildAdvice(emptyModel())).toEqual([]);
});

test('where reasons were chosen, shares of the whole are not known and nothing is said', () => {
  const parts = { reasons: [exits('vmx', 40, 900)] };
  expect(
    buildAdvice(model({ ...parts, over: { selection: { filters: ['reason pause'], kinds: ['reason'] } } })),
  ).toEqual([]);
  expect(
    buildAdvice(model({ ...parts, over: { selection: { filters: ['tid 1'], kinds: ['tid'] } } })),
  ).not.toEqual([]);
});

test('evidence has the report’s own numbers', () => {
  const [found] = buildAdvice(model({ reasons: [exits('vmx', 40, 1000)] }));
  expect(found.evidence[0]).toBe(
    'vmx-40: 1,000 exits (50.0%, 50 per second and vCPU); 1.000 ms, 50.0% of the time in exits.',
  );
  expect(found.ns).toBe(1_000_000);
});

const wordsOf = (id: string, parts: Parts) =>
  buildAdvice(model(parts)).find((row) => row.id === id)!.evidence;

test('evidence says what else is known, and nothing of what is not', () => {
  expect(wordsOf('kicks', { over: restarts(100) })).toEqual([
    '100 of 1,000 exits (10.0%) returned from KVM_RUN because of a signal.',
  ]);
  const quality = (invalidatedByLoss: number) => ({ ...emptyModel().quality, invalidatedByLoss });
  const gaps = (count: number) => wordsOf('losses', { over: { ...lost(12, 3), quality: quality(count) } })[0];
  expect(gaps(0)).toBe("Lost in 3 gaps, 1.0% of the CPUs' time: 12 events.");
  expect(gaps(1)).toBe("Lost in 3 gaps, 1.0% of the CPUs' time: 12 events; 1 exit next to them.");
  const places = exits('vmx', 10, 100, { guestKernelTimePct: 25 });
  expect(wordsOf('cpuid-user', { reasons: [places] }).at(-1)).toBe(
    '75.0% of their time is of exits at such addresses.',
  );
  const unnamed = returned({ KVM_EXIT_IO: 900, KVM_EXIT_MMIO: 100 });
  expect(wordsOf('unnamed-devices', { reasons: [exits('vmx', 30, 1000)], over: unnamed })).toEqual([
    'KVM_EXIT_IO 900, KVM_EXIT_MMIO 100, of 2,000 exits (50.0%): 1.000 ms in user space.',
  ]);
  const faults = (escalated: number) =>
    wordsOf('page-faults', {
      reasons: [exits('vmx', 48, 300, { escalated })],
      details: [detail('page-fault', 0x1000, 300)],
    });
  expect(faults(0)).toEqual([expect.stringMatching(/: 300 exits \(23\.1%, 15 per second and vCPU\)\.$/)]);
  expect(faults(1)[1]).toBe('Another 1 were accesses of devices.');
  const inner = (L2: number, reflected: number) =>
    wordsOf('nested', {
      reasons: [exits('vmx', 23, 900, { levels: { L1: 0, L2, 'L2-reflected': reflected } })],
    });
  expect(inner(12, 8)[1]).toBe('20 exits came from inner guests.');
  expect(inner(12, 7)).toHaveLength(1);
  const kicked = (queueNotify: number | null) => {
    const parts = { devices: [device('mmio', 0xfe003000, 200, { ioeventfd: true })] };
    const { devices } = model(parts);
    return wordsOf('ioeventfd', {
      ...parts,
      over: { devices: { ...devices!, virtio: { ...devices!.virtio, queueNotify } } },
    });
  };
  expect(kicked(null)).toEqual([
    '200 of 1,000 exits are writes to queue notify registers that went on to user space.',
  ]);
  expect(kicked(7)[1]).toBe('QEMU traced 7 queue notifications of its own.');
  const served = device('mmio', 0xfe003000, 900, {
    ioeventfd: true,
    ...{ escalated: 200, kernelNs: 1_000_000, userspaceNs: 4_000_000, totalNs: 9_000_000 },
  });
  const notify = buildAdvice(model({ devices: [served] })).find(({ id }) => id === 'ioeventfd')!;
  expect(notify.ns, 'of the kicks that went on to user space').toBe(5_000_000);
  const timer = { details: [detail('msr', 0x6e0, 300)] };
  expect(wordsOf('timer-exits', timer)).toHaveLength(1);
  expect(wordsOf('timer-exits', { ...timer, reasons: [exits('vmx', 52, 40)] })[1]).toBe(
    'Timers that fired: 40 exits by the preemption timer.',
  );
  expect(wordsOf('timer-exits', { reasons: [exits('vmx', 52, 400)] })).toHaveLength(1);
  // How long one thread waited may be known, and of another not.
  const wait = ledger(2e9)!;
  const other = { ...wait.rows[0], tid: 2, preemptedNs: null, runnableNs: null };
  expect(wordsOf('preempted', { over: { ledger: { ...wait, rows: [...wait.rows, other] } } })).toEqual([
    'The vCPU threads wanted to run for 2.000 s (10.0% of their time) without a CPU: 2.000 s after being taken off one, 0 ns after being woken up.',
  ]);
});

describe('times of exits that mean nothing are not spoken of', () => {
  const parts = { reasons: [exits('svm', 96, 900), hlt(90, 10)], over: { ledger: ledger(2e9) } };
  const base = model(parts);
  const warning = (code: string) => ({
    quality: { ...base.quality, warnings: [{ code, severity: 'suspect' as const, message: '', count: 1 }] },
  });
  const spoken = (over: Partial<ReportModel>) => {
    const report = { ...base, ...over };
    const advice = buildAdvice(report);
    return { advice, words: adviceSection.blocks({ ...report, advice }, 30, true)[0].sentences.join(' ') };
  };
  const counted = 'svm-96: 900 exits (47.4%, 45 per second and vCPU).';

  test('where they mean something they are', () => {
    const { advice, words } = spoken({});
    expect(advice.map(({ id }) => id).sort()).toEqual(['host-interrupts', 'preempted', 'short-halts']);
    expect(words).toContain('900.0 us, 47.4% of the time in exits');
    expect(words).toContain('Shares are of the exits and of their time without idle ones.');
  });

  test.each<[string, Partial<ReportModel>]>([
    ['a clock of 10 ms (uptime)', { capture: { ...base.capture, timeResolutionNs: 10_000_000 } }],
    ['members of sampled groups', warning('leader-sampled-group')],
    ['sampled tracepoints', warning('sampled-tracepoints')],
  ])('%s', (_, over) => {
    const { advice, words } = spoken(over);
    expect(advice).toMatchObject([{ id: 'host-interrupts', evidence: [counted], ns: null }]);
    expect(words).toContain('Shares are of the exits without idle ones.');
  });

  test('a clock without unit', async () => {
    const report = await madeUp(['advice']);
    const events = Array.from({ length: 100 }, (_, i) => [
      { time: 1000 * i, event: EV_EXIT, isa: ISA_VMX, code: i % 2 ? 1 : 12 },
      { time: 1000 * i + 100, event: EV_ENTRY },
    ]).flat();
    const found = report(events, null, null, (context) => {
      context.timeIsNs = false;
      context.clock = 'counter';
    });
    expect(found.advice).toMatchObject([
      { id: 'host-interrupts', evidence: ['EXTERNAL_INTERRUPT: 50 exits (100.0%).'], ns: null },
    ]);
    expect(adviceSection.blocks(found, 30, true)[0].sentences[0]).toBe(
      'Shares are of the exits without idle ones.',
    );
  });
});

test('people see the costliest first, six at most', () => {
  const reasons = [exits('vmx', 40, 300), exits('vmx', 54, 900), exits('vmx', 29, 600)];
  const found = buildAdvice(model({ reasons, over: {} }));
  expect(found.map(({ id }) => id).slice(0, 3)).toEqual(['wbinvd', 'debug-registers', 'pause']);
  const many = { ...model({}), advice: Array.from({ length: 8 }, () => found[0]) };
  expect(adviceSection.blocks(many, 30, false)[0].sentences.at(-1)).toBe('And 2 more: --section advice.');
  expect(adviceSection.blocks(many, 30, true)[0].sentences).toHaveLength(16);
});

const REAL: [string, string[], string[]][] = [
  ['x86/pf-all/perf.data', ['ipi', 'timer-exits', 'cpuid-user'], ['losses', 'nested', 'hpet', 'page-faults']],
  ['x86/pf-lost/perf.data', ['losses', 'timer-exits'], ['nested']],
  ['x86/nested-pf/perf.data', ['nested', 'timer-exits'], ['losses', 'short-halts']],
  ['intel/nested-tc/trace.dat', ['nested'], ['losses', 'serial-console']],
  [
    'intel/pf-all/perf.data',
    ['serial-console', 'apic-exits', 'user-space-devices'],
    ['nested', 'pause', 'hyper-v'],
  ],
  [
    'arm64/61v3-perf-all/perf.data',
    ['serial-console', 'host-interrupts'],
    ['ipi', 'apic-exits', 'ioeventfd'],
  ],
];

describe.skipIf(!HAS_SHARED)('real captures', () => {
  test.each(REAL)('%s', async (path, yes, no) => {
    const file = [path, `${path}.gz`].map((name) => join(SHARED, 'corpus', name)).find(existsSync);
    if (!file) return;
    const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
    const options = { ...defaultReportOptions(), passes: sectionRequests([], slow) };
    const ids = (await runReport([file], options)).advice!.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(yes));
    expect(ids.filter((id) => no.includes(id))).toEqual([]);
  });
});

test('the sample’s report shows findings in its JSON', async () => {
  const { advice } = await runReport([join(SAMPLES, 'intel-perf/perf.data')], defaultReportOptions());
  expect(Array.isArray(advice)).toBe(true);
});
