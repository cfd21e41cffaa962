/** What `perf script` prints with options that move its columns or put other lines first gives the same report. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-columns-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Row {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  readonly time: string;
  readonly text: string;
}

const ENTRY = '          kvm:kvm_entry: vcpu 0, rip 0xffffffff87617a0b';
const EXIT =
  '           kvm:kvm_exit: vcpu 0 reason msr rip 0xffffffff86c73914 info1 0x0000000000000001 info2 0x0000000000000000 intr_info 0x000000ec error_code 0x00000000';

/** Two threads that move between CPUs; one has a name of 15 bytes, one a name with a blank and a number. */
const ROWS: readonly Row[] = Array.from({ length: 40 }, (_, i) => ({
  comm: i & 1 ? 'qemu-system-x86' : 'CPU 0/KVM',
  tid: i & 1 ? 1234140 : 139,
  cpu: (i >> 3) * 57,
  time: `14.${String(718_827_368 + i * 1000)}`,
  text: i & 2 ? ENTRY : EXIT,
}));

const plain = (row: Row) =>
  `${row.comm.padStart(16)} ${String(row.tid).padStart(5)} [${String(row.cpu).padStart(3, '0')}]    ${row.time}: ${row.text}`;
/** perf_sample__fprintf_start() with latency_format. */
const latency = (row: Row) =>
  `${row.comm.slice(0, 8).padStart(8)} ${String(row.tid).padStart(5)} ${String(row.cpu).padStart(3)}    ${row.time}: ${row.text}`;
const latencyWithProcess = (row: Row) =>
  `${row.comm.slice(0, 8).padStart(8)} ${'120'.padStart(5)}/${String(row.tid).padEnd(5)} ${String(row.cpu).padStart(3)}    ${row.time}: ${row.text}`;
/** With callchains COMM is not padded. */
const callchain = (row: Row) =>
  `${row.comm} ${String(row.tid).padStart(5)} [${String(row.cpu).padStart(3, '0')}]    ${row.time}: ${row.text}\n\tffffffffc071a61f svm_vcpu_run+0x1f ([kvm_amd])\n`;

const MAPS = Array.from(
  { length: 300 },
  (_, i) =>
    `         swapper     0 [000]     0.000000000: PERF_RECORD_MMAP -1/0: [0xffffffffc0${String(100 + i)}000(0xc000) @ 0]: x /lib/modules/6.1.0/kernel/module${i}.ko`,
);
const HEADER = [
  '# ========',
  '# captured on    : Sat Nov 21 07:54:29 2026',
  '# hostname : kvmhost',
  ...Array.from(
    { length: 100 },
    (_, i) =>
      `# event : name = kvm:event${i}, , id = { ${i} }, type = 2, size = 128, config = 0x5ca, { sample_period, sample_freq } = 1, sample_type = IP|TID|TIME|CPU|PERIOD|RAW|IDENTIFIER, disabled = 1, inherit = 1`,
  ),
  '# ========',
  '#',
];
const CLOCK = Array.from(
  { length: 300 },
  () => '         swapper     0 [000]    14.100801877:     363361     cpu-clock:  ffffffffb4aedbc0 [unknown]',
);

async function report(lines: readonly string[]) {
  const file = path.join(folder, 'unknown');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { quality, reasons, vcpus, slow } = await runReport([file], defaultReportOptions());
  const { warnings: _, ...counts } = quality;
  return {
    counts,
    reasons,
    names: vcpus.map(({ tid, comm }) => [tid, comm]),
    slow: slow.map(({ exitNs, latencyNs, exitCpu, entryCpu, tid }) => ({
      exitNs,
      latencyNs,
      exitCpu,
      entryCpu,
      tid,
    })),
  };
}

const wanted = await report(ROWS.map(plain));

test('the rows themselves', () => {
  expect(wanted.counts).toMatchObject({ exits: 20, paired: 20 });
  expect(wanted.names).toEqual([
    [139, 'CPU 0/KVM'],
    [1234140, 'qemu-system-x86'],
  ]);
});

test.each([
  ['callchains (-g)', ROWS.map(callchain)],
  ['side-band records first (--show-mmap-events)', [...MAPS, ...ROWS.map(plain)]],
  ['a long header (--header)', [...HEADER, ...ROWS.map(plain)]],
  ['samples of another kind first', [...CLOCK, ...ROWS.map(plain)]],
])('%s', async (_, lines) => {
  expect(await report(lines)).toEqual(wanted);
});

test('lines that perf puts beside samples are no damage', async () => {
  const file = path.join(folder, 'beside');
  const lines = [
    'PERF_RECORD_FINISHED_ROUND',
    '         swapper     0 [000]     0.000000: PERF_RECORD_NAMESPACES 1/1 - nr_namespaces: 7',
    '\t\t[0/net: 4/0xf0000000, 1/uts: 4/0xeffffffe, 2/ipc: 4/0xefffffff, 3/pid: 4/0xeffffffc, ',
    '\t\t 4/user: 4/0xeffffffd, 5/mnt: 4/0xf0000001, 6/cgroup: 4/0xeffffffb]',
    // -F ip without sym: callchains of addresses alone.
    ...ROWS.map((row) => `${plain(row)}\n\tffffffffc050561f\n\t           fdd6b\n`),
    'neither of them',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { quality } = await runReport([file], defaultReportOptions());
  expect(quality.exits).toBe(20);
  expect(quality.warnings.map(({ code, count }) => [code, count])).toEqual([['unreadable-lines', 1]]);
});

test.each([
  ['-L', latency],
  ['-L -F +pid', latencyWithProcess],
])('%s cuts names', async (_, print) => {
  const { names, ...rest } = await report(ROWS.map(print));
  expect(names).toEqual([
    [139, 'CPU 0/KV'],
    [1234140, 'qemu-sys'],
  ]);
  expect(rest).toEqual({ counts: wanted.counts, reasons: wanted.reasons, slow: wanted.slow });
});
