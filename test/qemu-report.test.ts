/** What a report says of a recording that only QEMU made. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createRandom } from '../src/analysis/bootstrap.ts';
import type { Filters } from '../src/commands/options.ts';
import { runConvert, runReport } from '../src/commands/pipeline.ts';
import { render as html } from '../src/report/html/index.ts';
import { pageTitle } from '../src/report/html/recorded.ts';
import { SECTION_TABLES, sectionRequests } from '../src/report/sections.ts';
import { render as renderText } from '../src/report/text.ts';
import { defaultReportOptions } from './support/options.ts';
import { encode, number } from './support/simpletrace-encoder.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-qemu-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECTIONS = ['qemu', 'devices'];
const options = {
  ...defaultReportOptions(),
  sections: SECTIONS,
  passes: sectionRequests(SECTIONS, { slowLimit: 10, thanNs: 0, includeIdle: false }),
};
const report = (name: string, lines: readonly string[]) => {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  return runReport([join(folder, name)], options);
};
const text = (model: Awaited<ReturnType<typeof report>>) =>
  renderText(model, {
    ...{ color: false, width: 100, rows: 0, histogram: false, table: 'reasons' },
    sections: SECTIONS,
  }).replace(/\s+/g, ' ');

const at = (tid: number, micros: number, event: string) =>
  `${tid}@100.${String(micros).padStart(6, '0')}:${event}`;
const exit = (reason: number) => `kvm_run_exit cpu_index 0, reason ${reason}`;
const RUN = 'kvm_vcpu_ioctl cpu_index 0, type 0xae80, arg (nil)';
const access = (direction: string, address: string, name: string) =>
  `memory_region_ops_${direction} cpu 0 mr 0x55aa addr ${address} value 0x1 size 1 name '${name}'`;

/** 7: four exits; 8: another virtual machine's only one. */
const LOG = [
  ...[at(7, 0, RUN), at(7, 10, exit(2)), at(7, 12, access('write', '0x70', 'rtc-index')), at(7, 20, RUN)],
  // The device reads guest memory through another region: its consequence.
  ...[
    at(7, 30, exit(2)),
    at(7, 32, access('write', '0x71', 'rtc-index')),
    at(7, 34, access('read', '0x9', 'io')),
  ],
  ...[at(7, 70, RUN), at(8, 75, exit(2)), at(8, 78, RUN), at(7, 80, exit(6)), at(7, 85, RUN)],
  ...[at(7, 90, RUN), at(7, 95, exit(2)), at(7, 96, access('read', '0x71', 'rtc-index')), at(7, 99, RUN)],
];

test('times go to the first region that QEMU accessed after the exit', async () => {
  const model = await report('log', LOG);
  const rtc = { kind: 'region', device: 'rtc-index', code: 2, name: 'KVM_EXIT_IO' };
  const none = { kind: 'none', device: null, direction: null, address: null, lastAddress: null };
  expect(model.qemu?.devices).toEqual([
    {
      ...{ ...rtc, direction: 'write', address: '0x70', lastAddress: '0x71' },
      ...{ count: 2, totalNs: 50_000, avgNs: 25_000, maxNs: 40_000 },
    },
    { ...none, code: 6, name: 'KVM_EXIT_MMIO', count: 1, totalNs: 5000, avgNs: 5000, maxNs: 5000 },
    {
      ...{ ...rtc, direction: 'read', address: '0x71', lastAddress: null },
      ...{ count: 1, totalNs: 4000, avgNs: 4000, maxNs: 4000 },
    },
    { ...none, code: 2, name: 'KVM_EXIT_IO', count: 1, totalNs: 3000, avgNs: 3000, maxNs: 3000 },
  ]);
  const said = text(model);
  expect(said).toContain('rtc-index write 0x70–0x71 KVM_EXIT_IO 2 50.00 us 80.6 25.00 us 40.00 us');
  expect(said).toContain('(none recorded) - - KVM_EXIT_MMIO 1 5.000 us 8.1');
  expect(said).toContain("What QEMU says of its devices is on QEMU's side.");
  // Titles that are not cut, and thousands apart as everywhere: 3 in 99 us.
  expect(said).toContain(' KVM_EXIT reason ');
  expect(said).toMatch(/KVM_EXIT_IO 3 60\.0 30,303 /);
  expect(said).toContain('5 returns; 1 more call of KVM_RUN without one:');
  // Two virtual machines have a vCPU 0: threads tell them apart.
  expect(said).toContain('tid vCPU KVM_RUN returned with');
  expect(said).toMatch(/ 8 0 KVM_EXIT_IO 1 20\.0 /);
  expect([...SECTION_TABLES['qemu-devices'](model).rows][0]).toEqual([
    'region',
    'rtc-index',
    'write',
    '0x70',
    '0x71',
    2,
    'KVM_EXIT_IO',
    2,
    50_000,
    25_000,
    40_000,
  ]);
});

test('the summary is about QEMU where it alone recorded', async () => {
  const model = await report('log', LOG);
  expect(model.verdict?.summary).toEqual([
    'No kvm_exit was recorded, only what went on to QEMU: KVM_RUN returned to it 5 times in 99.00 us.',
    'QEMU took 62.00 us for them, most for rtc-index (87.1%).',
  ]);
  expect(pageTitle(model)).toBe('5 returns of KVM_RUN in 99.00 us');
  const shown = text(model);
  expect(shown).toContain("WARN no kvm_exit recorded, only QEMU's side");
  // What there is, before what there is not.
  expect(shown.indexOf("QEMU's side: KVM_RUN")).toBeLessThan(shown.indexOf('Exits by reason'));
  expect(shown).not.toContain('Nesting');
  const page = html(model, { rows: 30 });
  expect(page.indexOf('id="h-details"')).toBeLessThan(page.indexOf('id="h-reasons"'));
  expect(page).toContain('what KVM_RUN returned to QEMU with');
});

test('filters apply to it as far as QEMU tells what they choose by', async () => {
  const filtered = (filters: object) =>
    runReport([join(folder, 'log')], {
      ...options,
      filters: { ...options.filters, words: [{ kind: 'tid' as const, words: 'some' }], ...filters },
    } as typeof options);
  const thread = await filtered({ tids: [8] });
  expect(thread.qemu).toMatchObject({ exits: 1, rows: [{ tid: 8, count: 1 }], check: null });
  expect(thread.verdict?.summary[0]).toContain('KVM_RUN returned to it 1 time.');
  const nobody = await filtered({ tids: [9] });
  expect(nobody.qemu).toMatchObject({ exits: 0, rows: [], devices: [], threadUnknown: 0 });
  expect(text(nobody)).toContain("QEMU's side: KVM_RUN returned to it 0 returns.");
  const cpu = await filtered({ cpus: [0] });
  expect(cpu.qemu).toBeNull();
  expect(cpu.verdict?.summary).toEqual(['The recording holds no exits, so it tells nothing about them.']);
  expect(text(cpu)).toContain(
    "QEMU's side Left out: the filters choose by exit reason, level or CPU, and events of QEMU tell none of them.",
  );
  expect(text(cpu)).toContain('None recorded.');
});

test('a capture says the same', async () => {
  const model = await report('log', LOG);
  await runConvert([join(folder, 'log')], join(folder, 'log.arrow'), { traceEvents: null });
  expect((await runReport([join(folder, 'log.arrow')], options)).qemu).toEqual(model.qemu);
});

test('without kvm_vcpu_ioctl, or without accesses, nothing is said of devices', async () => {
  const without = (word: string) => LOG.filter((line) => !line.includes(word));
  const noRuns = await report('no-runs', without('ioctl'));
  expect(noRuns.qemu).toMatchObject({ devices: null, handlingKnown: false });
  const noRegions = await report('no-regions', without('memory_region'));
  expect(noRegions.qemu).toMatchObject({ devices: null, handlingKnown: true });
  expect(text(noRegions)).not.toContain('(none recorded)');
});

test('a log without times has counts, but neither rates nor times', async () => {
  const model = await report(
    'untimed',
    LOG.map((line) => line.slice(line.indexOf(':') + 1)),
  );
  expect(model.qemu).toMatchObject({ exits: 5, handlingKnown: false, devices: null });
  for (const row of model.qemu!.rows)
    expect(row).toMatchObject({ perSecond: null, handling: null, inKvm: null });
  expect(text(model)).toContain('5 returns; how long QEMU took is not known, as the clock has no unit.');
});

test('a log that goes on while QEMU writes several trace files counts once, also the part that no clock joins', async () => {
  const PID = 4711;
  const mappings = [
    { id: 5n, name: 'kvm_run_exit' },
    { id: 6n, name: 'kvm_vcpu_ioctl' },
  ];
  const random = createRandom(4);
  let time = 5_000_000_000n;
  const events = Array.from({ length: 1200 }, (_, i) => {
    time += BigInt(5000 + Math.floor(random() * 90_000));
    return { time, exit: i % 2 === 0, reason: [2, 6, 2, 2, 5][i % 5] };
  });
  const simple = (from: number, to: number) =>
    encode([
      ...mappings,
      // QEMU does not know its number at once.
      ...(from === 0 ? [{ id: 6n, time: events[0].time - 9n, pid: 0, args: [0n, 1n, 0n].map(number) }] : []),
      ...events.slice(from, to).map(({ time, exit, reason }) => ({
        ...{ id: exit ? 5n : 6n, time, pid: PID },
        args: (exit ? [0n, BigInt(reason)] : [0n, 0xae80n, 0n]).map(number),
      })),
    ]).bytes;
  const log = (from: number, to: number) =>
    events
      .slice(from, to)
      .map(({ time, exit, reason }) => {
        const micros = time / 1000n + 1_700_000_000_000_002n;
        const text = exit ? `kvm_run_exit cpu_index 0, reason ${reason}` : RUN;
        return `77@${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}:${text}\n`;
      })
      .join('');
  const files: Record<string, string | Buffer> = {
    ...{ 't1.bin': simple(0, 500), 't2.bin': simple(500, 900), 't3.bin': simple(900, 1200) },
    ...{ 'a.log': log(0, 800), 'b.log': log(800, 1200) },
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  for (const names of [
    ['t1.bin', 't2.bin', 't3.bin', 'a.log', 'b.log'],
    ['b.log', 't3.bin', 'a.log', 't2.bin', 't1.bin'],
  ]) {
    const model = await runReport(
      names.map((name) => join(folder, name)),
      options,
    );
    expect(model.qemu?.exits).toBe(600);
    expect(model.quality.warnings.map(({ code }) => code)).not.toContain('clocks-differ');
    expect(Number(model.capture.durationNs)).toBeLessThan(Number(time) - 4_990_000_000);
  }
});

test('filters choose the exits of their time and thread, with all of their handling', async () => {
  writeFileSync(join(folder, 'filtered'), `${LOG.join('\n')}\n`);
  const rowsOf = async (filters: Partial<Filters>) => {
    const { qemu } = await runReport([join(folder, 'filtered')], {
      ...options,
      filters: { ...options.filters, ...filters, words: [{ kind: 'tid' as const, words: 'some' }] },
    });
    return qemu?.rows.map(({ tid, code, count, perSecond, handling }) => [
      ...[tid, code, count, Math.round(perSecond!)],
      handling?.totalNs,
    ]);
  };
  const micros = (value: bigint) => ({ ns: value * 1000n, origin: 'start' as const });
  expect(await rowsOf({ from: micros(25n), to: micros(50n) })).toEqual([[7, 2, 1, 40_000, 40_000]]);
  // The KVM_RUN that ends the second comes after the time that was asked for.
  expect(await rowsOf({ from: micros(75n), to: micros(85n) })).toEqual([
    [8, 2, 1, 100_000, 3000],
    [7, 6, 1, 100_000, 5000],
  ]);
  expect(await rowsOf({ tids: [8] })).toEqual([[8, 2, 1, 10_101, 3000]]);
  expect(await rowsOf({ vcpus: [1] })).toEqual([]);
});
