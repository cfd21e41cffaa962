/** tracefs text in latency-format (`options/latency-format`, or a latency tracer) gives what the usual format gives. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { SAMPLES } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-latency-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LINE = /^(.{16})-(\d+) +\[(\d+)\] (\S+) +(\d+)\.(\d+): (.*)$/;
const lines = gunzipSync(readFileSync(path.join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz')))
  .toString('latin1')
  .split('\n')
  .filter((line) => LINE.test(line))
  .slice(0, 4000);

/** As lat_print_generic() and lat_print_timestamp() print it, with the mark of the wait for the next event. */
function latencyLine(line: string, i: number): string {
  const [, comm, tid, cpu, flags, seconds, micros, text] = LINE.exec(line) as RegExpExecArray;
  const time = `${Number(seconds) * 1e6 + Number(micros)}us${' +!#*@$'[i % 7]}`;
  return `${comm.trim().slice(0, 8).padStart(8)}-${tid.padEnd(7)} ${cpu.replace(/^00/, '  ')}${flags} ${time.padStart(4)}: ${text}`;
}

/** print_trace_header() in kernel/trace/trace.c. */
const header = (entries: number, written: number) =>
  `# tracer: irqsoff\n#\n# irqsoff latency trace v1.1.5 on 6.1.0-56-cloud-amd64\n# ${'-'.repeat(68)}\n# latency: 71 us, #${entries}/${written}, CPU#3 | (M:desktop VP:0, KP:0, SP:0 HP:0 #P:4)\n#    -----------------\n#    | task: bash-4269 (uid:0 nice:0 policy:0 rt_prio:0)\n#    -----------------\n#\n#                    _------=> CPU#            \n#  cmd     pid     |||||| time  |   caller     \n#     \\   /        ||||||  \\    |    /       \n`;

async function report(name: string, text: string) {
  const file = path.join(folder, name);
  writeFileSync(file, text, 'latin1');
  const { capture, quality, reasons, escalation, slow, vcpus } = await runReport(
    [file],
    defaultReportOptions(),
  );
  const { warnings, ...counts } = quality;
  return {
    same: {
      events: capture.events,
      firstNs: capture.firstNs,
      lastNs: capture.lastNs,
      counts,
      reasons,
      escalation,
      slow: slow.map(({ comm: _, ...exit }) => exit),
    },
    names: vcpus.map(({ comm }) => comm),
    warnings: warnings.map(({ code, count }) => [code, count]),
  };
}

describe('latency-format', async () => {
  const usual = await report('usual.txt', `${lines.join('\n')}\n`);

  test('has exits to compare', () => {
    expect(usual.same.counts.paired).toBeGreaterThan(500);
  });

  test.each([
    ['trace_pipe', ''],
    ['trace', header(lines.length, lines.length)],
  ])('%s', async (name, head) => {
    const latency = await report(name, `${head}${lines.map(latencyLine).join('\n')}\n`);
    expect(latency.same).toEqual(usual.same);
    expect(latency.names).toEqual(usual.names.map((comm) => comm?.slice(0, 8)));
  });

  test('its header tells what was overwritten', async () => {
    const { warnings } = await report(
      'wrapped',
      `${header(4000, 4321)}${lines.map(latencyLine).join('\n')}\n`,
    );
    expect(warnings).toContainEqual(['overwritten-events', 321]);
  });
});

/** Linux 6.1, `options/latency-format`: the first 400 lines; the numbers are another program's. */
test('a real one', async () => {
  const { quality, reasons, vcpus } = await runReport(
    [path.join(import.meta.dirname, 'fixtures/latency-format.txt.gz')],
    defaultReportOptions(),
  );
  expect(quality).toMatchObject({ exits: 155, entries: 156, paired: 154, entryWithoutExit: 2, openAtEnd: 1 });
  expect(quality.warnings).toEqual([]);
  expect(vcpus.map(({ tid, exits }) => [tid, exits])).toEqual([
    [133, 75],
    [134, 80],
  ]);
  const rows = reasons.map((r) => [r.name, r.exits, r.paired, Number(r.totalNs), r.minNs, r.maxNs]);
  expect(rows.sort()).toEqual([
    ['hlt', 36, 35, 76252000, 20000, 9110000],
    ['interrupt', 29, 29, 1303000, 5000, 249000],
    ['msr', 71, 71, 18944000, 21000, 3313000],
    ['npf', 4, 4, 4581000, 581000, 2337000],
    ['vintr', 15, 15, 252000, 12000, 26000],
  ]);
});

test.each([
  '13999us#: kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41',
  '  12us : kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41',
])('a single line is recognised: %s', (rest) => {
  const text = `CPU 0/KV-7809      0..... ${rest}\n`;
  expect(ftraceText.sniff(Buffer.from(text), '').confidence).toBe(2);
  expect(readText(text).rows).toHaveLength(1);
});

test.each([
  'CPU 0/KV-7809      0..... 99999999999999999999us#: kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41',
  'CPU 0/KV-7809      0..... us#: kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41',
  'CPU 0/KV-7809      0..... 12us#:',
])('a damaged line is none: %s', (line) => {
  expect(ftraceText.sniff(Buffer.from(`${line}\n`), '').confidence).toBe(0);
});
