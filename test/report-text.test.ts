import { describe, expect, test } from 'vitest';
import { EV_CPUID, EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { detailSection } from '../src/report/build-detail.ts';
import { hotspotsSection } from '../src/report/build-hotspots.ts';
import { intervalsSection } from '../src/report/build-intervals.ts';
import { renderInfo } from '../src/report/info-text.ts';
import type { FilterKind, ReportModel } from '../src/report/model.ts';
import type { RenderOptions } from '../src/report/renderers.ts';
import { displayWidth } from '../src/report/table.ts';
import { render } from '../src/report/text.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import {
  emptyModel,
  infoModel,
  manyVcpusModel,
  oneRowModel,
  plausibleModel,
  reason,
  slowExit,
  vcpu,
} from './fixtures/report-models.ts';
import { blocksOf, madeUp } from './support/made-up-report.ts';

const OPTIONS: RenderOptions = { color: false, width: null, rows: 30, histogram: false, table: 'reasons' };
const text = (model: ReportModel, options: Partial<RenderOptions> = {}) =>
  render(model, { ...OPTIONS, ...options });

/** Lines between a heading that starts with `title` and the next empty line. */
function section(report: string, title: string): string[] {
  const lines = report.split('\n');
  const start = lines.findIndex((line) => line.startsWith(title));
  expect(start, `heading ${title}`).toBeGreaterThanOrEqual(0);
  const rest = lines.slice(start + 1);
  return rest.slice(0, rest.indexOf(''));
}

describe('a plausible report', () => {
  const report = text(plausibleModel());

  test('begins with what was recorded and whether to trust it', () => {
    expect(report.split('\n').slice(0, 9)).toEqual([
      'kvmtrace 0.1.0 report',
      '  file    captures/host7/perf.data (perf.data, 2.1 MiB)',
      '  host    host7',
      '  kernel  6.1.0-44-amd64, x86_64',
      '  CPU     Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz; exits of vmx',
      '  time    10.00 s from 1234567890.123456789, clock mono',
      '  events  6,393 events of 4 kinds',
      '',
      'OK    no losses; 2,559 of 2,562 exits paired',
    ]);
  });

  test('has the exits as perf kvm stat users know them, idle ones marked', () => {
    expect(section(report, 'Exits by reason')).toEqual([
      '  reason              exits     %     total     %       avg       p50       p99       max  user%',
      '  MSR_WRITE             936  36.5  145.7 ms   6.0  155.7 us  31.25 us  412.0 us  7.978 ms    0.0',
      '  HLT *                 443  17.3  2.140  s  88.7  4.832 ms  31.25 us  92.00 ms  93.53 ms    0.0',
      '  IO_INSTRUCTION        281  11.0  38.03 ms   1.6  135.3 us  31.25 us  412.0 us  7.978 ms  100.0',
      '  EXTERNAL_INTERRUPT    207   8.1  27.41 ms   1.1  132.4 us  31.25 us  412.0 us  7.978 ms    0.0',
      '  EPT_VIOLATION          84   3.3  31.96 ms   1.3  380.5 us  31.25 us  412.0 us  7.978 ms   57.1',
      '  vmx 0x4d                1  <0.1  13.26 us  <0.1  13.26 us  13.26 us  13.26 us  13.26 us    0.0',
      '  all                 2,562 100.0  2.414  s 100.0  943.4 us  41.25 us  22.41 ms  93.53 ms   12.8',
      '  all but idle        2,119  82.7  273.8 ms  11.3  129.2 us  41.25 us  812.0 us  7.978 ms   15.5',
      "  * mostly the guest's own idling; user%: share that went on to user space",
    ]);
  });

  test('splits escalations by exit reason and by what QEMU was asked for', () => {
    expect(report).toContain('329 of 2,562 exits (12.8%); 4 restarts (signals, kicks); in kernel 12.33 ms');
    expect(report).toMatch(/^ {2}IO_INSTRUCTION +281 +281 100\.0 +9\.331 ms +28\.65 ms$/m);
    expect(report).toMatch(/^ {2}KVM_EXIT_MMIO +6 +48 +29\.00 ms$/m);
  });

  test('lists slow exits at the time that --from takes, and says how many there are', () => {
    const lines = section(report, 'Slowest exits longer than 1 ms, idle left out');
    expect(lines[1]).toBe(
      '  7.978 ms  EPT_VIOLATION        1.402332     1  4139  CPU 1/KVM  3>12  MMIO     0xffffffff81a0b3c4',
    );
    expect(lines.at(-1)).toBe('  … and 9 more (--slow N lists more)');
  });

  test('does not say that there are none where none was to be listed', () => {
    const none = text({ ...plausibleModel(), slow: [] });
    const { qualified } = plausibleModel().slowSelection;
    expect(section(none, 'Slowest exits longer than 1 ms, idle left out')).toEqual([
      `  ${qualified} exits, of which --slow 0 lists none.`,
    ]);
  });
});

describe('trust', () => {
  test.each([
    [
      'an unknown loss',
      { lost: { events: null, regions: 2, uncountedRegions: 2, affectedNs: 5, affectedPct: 0.01 } },
      'an unknown number of events lost in 2 regions (<0.1% of the time)',
    ],
    ['a clock without unit', { timeIsNs: false }, 'the clock has no known unit'],
  ])('%s is a warning', (_, capture, words) => {
    const model = plausibleModel();
    const report = text({ ...model, capture: { ...model.capture, ...capture } });
    expect(report).toMatch(/^WARN {2}/m);
    expect(report).toContain(words);
  });
  test.each([
    ['invalidatedByLoss', 3, '3 exits invalidated by losses'],
    ['exitWithoutEntry', 1, '1 exit or entry without partner'],
    ['negativeLatency', 2, '2 entries stamped before the exit'],
    ['openAtEnd', 3, '3 exits or entries without partner'],
  ])('%s of %i is a warning', (counter, count, words) => {
    const model = plausibleModel();
    const report = text({ ...model, quality: { ...model.quality, [counter]: count } });
    expect(report).toMatch(/^WARN {2}/m);
    expect(report).toContain(words);
  });
  test('one open exit for each vCPU is how every recording ends', () => {
    expect(text(plausibleModel())).toMatch(/^OK {4}/m);
  });
});

describe('a selection that no exit matches', () => {
  const none = (kinds: FilterKind[]) => {
    const selection = { filters: [...kinds], kinds };
    return text({ ...emptyModel(), capture: plausibleModel().capture, selection }).replace(/\s+/g, ' ');
  };

  test('says what the bounds of time are counted from', () => {
    const report = none(['time', 'time']);
    expect(report).toContain('None match the selection. The recording lasts ');
    expect(report).toContain('--from and --to count from its first event, with @ on its clock (@');
    expect(report).not.toContain('kvmtrace info');
  });

  test('says where the threads and the reasons are to be seen', () => {
    const report = none(['pid', 'reason']);
    expect(report).toContain('kvmtrace info lists its threads');
    expect(report).toContain('A report without --reason and --exclude lists the reasons');
    expect(report).not.toContain('The recording lasts');
  });

  test.each([
    ['detail', detailSection, 'What exits were about'],
    ['hotspots', hotspotsSection, 'Where the guest was'],
    ['intervals', intervalsSection, 'Exits over time, per 1 us'],
  ])('section %s does not say that nothing was recorded, nor shows an empty table', async (id, of, title) => {
    const report = await madeUp([id], { intervalNs: 1000 });
    const model = report(
      [
        { time: 0, event: EV_EXIT, isa: ISA_VMX, code: 10 },
        { time: 1, event: EV_CPUID, address: 1, code: 1 },
        { time: 2, event: EV_ENTRY },
      ],
      null,
    );
    const selection = { filters: ['reason HLT'], kinds: ['reason'] as FilterKind[] };
    const none = { ...model, selection, totals: { ...model.totals, exits: 0 } };
    expect(blocksOf(of, none, 0, true)).toEqual([
      { title, sentences: ['None match the selection.'], cells: null },
    ]);
  });

  test('claims no shares of no exits', () => {
    const { escalation } = plausibleModel();
    const nothing = {
      ...escalation,
      exits: 0,
      escalated: 0,
      ratio: null,
      byReason: [],
      byUserspaceReason: [],
    };
    const report = text({ ...emptyModel(), escalation: nothing });
    expect(section(report, 'Escalation')).toEqual(['  No exits, so none went to user space.']);
  });
});

describe('a wide terminal', () => {
  const wide = text(plausibleModel(), { width: 200 });

  test('shows more statistics, and prose no wider than elsewhere', () => {
    expect(section(wide, 'Exits by reason')[0]).toMatch(/avg +min +p50 +p90 +p99 +p99\.9 +max/);
    for (const line of wide.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(160);
    const prose = section(wide, 'Quality of the data').filter((line) => /^ {2}(note|warn)/.test(line));
    for (const line of prose) expect(displayWidth(line)).toBeLessThanOrEqual(100);
  });

  test('a file and a narrow terminal keep to the usual ones', () => {
    expect(section(text(plausibleModel()), 'Exits by reason')[0]).toMatch(/avg +p50 +p99 +max/);
  });
});

describe('extremes', () => {
  test('an empty capture says what is missing instead of showing zeros', () => {
    const report = text(emptyModel(), { histogram: true });
    expect(report).toContain('WARN  no exits to report');
    expect(report).toMatch(/^ {2}kernel {2}not recorded$/m);
    expect(section(report, 'Exits by reason')).toEqual(['  None recorded.']);
    expect(section(report, 'Escalation')).toEqual([
      '  Not recorded: the capture has neither kvm_userspace_exit events nor QEMU data.',
    ]);
    expect(report).not.toContain('vCPU threads');
    expect(report).not.toMatch(/NaN|undefined|null|Infinity/);
  });

  test('one exit without entry has counts and no times', () => {
    const report = text(oneRowModel());
    expect(section(report, 'Exits by reason')[1]).toMatch(/^ {2}IRQ +1 100\.0( +-){7}$/);
    expect(report).toContain('- not recorded');
    expect(report).not.toMatch(/NaN|undefined|null|Infinity/);
  });

  test('300 vCPUs fit: tables end where the rest is said to be', () => {
    const report = text(manyVcpusModel(300));
    expect(
      section(report, 'Exits by VM, vCPU, reason').filter((line) => /^ {2}guest-/.test(line)),
    ).toHaveLength(30);
    expect(report).toContain('… and 270 more (--rows 0 or --format csv)');
    expect(report).toContain('… and 2,999,949,960 more (--slow N lists more)');
    expect(text(manyVcpusModel(300), { rows: 0 }).match(/^ {2}guest-/gm)).toHaveLength(300);
  });

  test.each([
    ['plausible', plausibleModel()],
    ['empty', emptyModel()],
    ['one row', oneRowModel()],
    ['300 vCPUs', manyVcpusModel(300)],
  ])('%s: no line is wider than the page, none ends in blanks', (_, model) => {
    for (const width of [null, 100, 80, 60])
      for (const line of text(model, { width, histogram: true }).split('\n')) {
        expect(displayWidth(line), line).toBeLessThanOrEqual(width ?? 100);
        expect(line).toBe(line.trimEnd());
      }
  });
});

test('colour adds nothing but colour', () => {
  const model = manyVcpusModel(3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking the colours off
  expect(text(model, { color: true }).replace(/\x1b\[\d+m/g, '')).toBe(text(model));
  expect(text(model)).not.toContain('\x1b');
});

test('a histogram has a star for whatever is not nothing', () => {
  const model = plausibleModel({
    reasons: [
      reason({
        name: 'CPUID',
        exits: 100_000,
        histogram: [
          { loNs: 1024, hiNs: 2047, count: 1 },
          { loNs: 2048, hiNs: 4095, count: 0 },
          { loNs: 4096, hiNs: 8191, count: 99_999 },
        ],
      }),
    ],
  });
  const bars = [...text(model, { histogram: true }).matchAll(/\|(\**) *\|$/gm)].map(
    (match) => match[1].length,
  );
  expect(bars).toEqual([1, 0, 40]);
});

test('names of VMs have a column where there are any', () => {
  const exits = { name: 'CPUID', exits: 7 };
  const head = (vm: string | null) => {
    const reasons = [reason({ ...exits, vm, pid: 118 }), reason({ ...exits, vm: null, pid: 120 })];
    return section(text(plausibleModel({ by: ['vm'], reasons })), 'Exits by VM')
      .slice(0, 3)
      .map((line) => line.trim().split(/ {2,}/).slice(0, 3));
  };
  expect(head('web1')[0]).toEqual(['VM', 'pid', 'reason']);
  expect(head(null)).toEqual([
    ['VM pid', 'reason', 'exits'],
    ['118', 'CPUID', '7'],
    ['120', 'CPUID', '7'],
  ]);
});

describe('hostile names', () => {
  test.each(HOSTILE_NAMES)('%j stays on its line and in its column', (name) => {
    const base = plausibleModel();
    const report = text(
      plausibleModel({
        capture: {
          ...base.capture,
          host: name,
          kernel: name,
          sources: [{ path: name, format: name, bytes: 1 }],
          events: { [name]: 1 },
        },
        by: ['vm'],
        reasons: [
          reason({ name, exits: 5, vm: name, pid: 1 }),
          reason({ name: 'HLT', exits: 1, vm: 'b', pid: 2 }),
        ],
        vcpus: [vcpu({ comm: name, vm: name }), vcpu()],
        slow: [slowExit({ comm: name, name, userspaceReason: name, rip: name }), slowExit()],
        quality: {
          ...base.quality,
          warnings: [{ code: name, severity: 'suspect', message: name, count: 2 }],
        },
        selection: { filters: [name], kinds: ['reason'] },
        notes: [name],
      }),
      { histogram: true },
    );
    const clean = text(plausibleModel());
    expect(report.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
    for (const line of report.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(100);
    expect(report.match(/^(Exits by|Escalation|Slowest|vCPU threads|Quality)/gm)).toHaveLength(
      clean.match(/^(Exits by|Escalation|Slowest|vCPU threads|Quality)/gm)!.length,
    );
  });
});

describe('info', () => {
  const info = renderInfo(infoModel(), { color: false, width: null, rows: 40 });
  test('says what the file is', () => {
    expect(info.split('\n').slice(0, 12)).toEqual([
      'file    captures/host7/perf.data (perf.data, 2.1 MiB)',
      'host    host7',
      'kernel  6.1.0-44-amd64, x86_64',
      'CPU     Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz; exits of vmx',
      'time    10.00 s from 1234567890.123456789, clock mono',
      'events  6,393 events of 4 kinds',
      'CPUs    0-3,8 (5)',
      'lost    nothing',
      '',
      'Recording',
      '  recorder  perf 6.1.129',
      '  command   perf record -e kvm:* -a sleep 10',
    ]);
  });
  test('a fact of a file says which file, however long its name', () => {
    const model = infoModel();
    const facts = { recorder: 'perf 6.1.129', 'clock of captures/host7/trace.bin': 'same as the kernel’s' };
    const shown = renderInfo(
      { ...model, capture: { ...model.capture, facts } },
      { color: false, width: null, rows: 1 },
    );
    expect(shown).toContain(
      [
        '',
        '  recorder              perf 6.1.129',
        '  clock of captures/host7/trace.bin',
        '                        same as the kernel’s',
        '',
      ].join('\n'),
    );
  });
  test('names events that were switched on and never came', () => {
    expect(info).toContain('  switched on, never recorded: kvm_nested_vmexit\n');
  });
  test('shows findings with their weight', () => {
    expect(info).toContain('  LOSS  The file ends within a record. [truncated-file]');
  });
});

test('a row per thread of a large host, all of them shown', { timeout: 30_000 }, () => {
  const model = oneRowModel();
  const rows = 150_000;
  const large = { ...model, reasons: Array<(typeof model.reasons)[number]>(rows).fill(model.reasons[0]) };
  expect(text(large).split('\n').length).toBeLessThan(200);
  expect(text(large, { rows: 0 }).split('\n').length).toBeGreaterThan(rows);
});
