/** `kvmtrace diff` as users run it: formats, thresholds, filters, names that want to harm. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkDiffThreshold, parseDiffThreshold } from '../src/commands/diff-thresholds.ts';
import { run } from '../src/commands/main.ts';
import { runDiff, runReport } from '../src/commands/pipeline.ts';
import { ISA_SVM } from '../src/core/isa-codes.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import { DIFF_RENDERERS } from '../src/report/diff/renderers.ts';
import { displayWidth } from '../src/report/table.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import { SAMPLES } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-diff-'));
const BEFORE = join(SAMPLES, 'intel-perf/perf.data');
/** The same load, recorded by another tracer: most exits take less. */
const AFTER = join(SAMPLES, 'intel-trace-dat/trace.dat');
let model: DiffModel;

beforeAll(async () => {
  model = await runDiff(BEFORE, AFTER, defaultReportOptions());
});
afterAll(() => rmSync(folder, { recursive: true }));

async function kvmtrace(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const stream = (take: (text: string) => void) =>
    ({
      write: (text: string, done?: () => void) => {
        take(text);
        done?.();
        return true;
      },
    }) as unknown as NodeJS.WritableStream;
  const status = await run(args, {
    stdout: stream((text) => (out += text)),
    stderr: stream((text) => (err += text)),
    env: {},
    loadPipeline: () => import('../src/commands/pipeline.ts'),
  });
  return { status, out, err };
}

async function rendered(
  changed: DiffModel,
  id: string,
  rows = 30,
  width: number | null = null,
): Promise<string> {
  const { render } = await DIFF_RENDERERS.find((renderer) => renderer.id === id)!.load();
  const output = render(changed, { color: false, width, rows });
  if (typeof output === 'string') return output;
  let text = '';
  for await (const piece of output) text += piece;
  return text;
}

test('numbers are those of the two reports', async () => {
  for (const [side, path] of [
    ['before', BEFORE],
    ['after', AFTER],
  ] as const) {
    const report = await runReport([path], defaultReportOptions());
    expect(model[side].vcpuNs).toBe(Number(report.capture.durationNs) * report.vcpus.length);
    expect(model.totals[side].exits).toBe(report.totals.exits);
    expect(model.busyTotals[side].totalNs).toBe(report.busyTotals.totalNs);
    for (const row of report.reasons) {
      const found = model.reasons.find(({ isa, name }) => isa === row.isa && name === row.name)!;
      expect(found[side].exits).toBe(row.exits);
      expect(found[side].totalNs).toBe(row.totalNs);
      expect(found.p99Ns[side]).toBe(row.p99Ns);
      expect(found.rate[side]).toBeCloseTo((row.exits * 1e9) / model[side].vcpuNs!, 9);
    }
  }
});

test('a filter by reason leaves rates per vCPU-second as they are: vCPUs without such exits count', async () => {
  const nested = join(SAMPLES, 'amd-perf-nested/perf.data.gz');
  const whole = await runDiff(nested, nested, defaultReportOptions());
  const chosen = whole.reasons.find(({ name }) => name === 'vmrun')!;
  const reasons = [{ isa: ISA_SVM, code: chosen.code! }];
  const options = defaultReportOptions();
  const part = await runDiff(nested, nested, {
    ...options,
    filters: { ...options.filters, reasons, words: [{ kind: 'reason' as const, words: 'reason vmrun' }] },
  });
  expect(part.before.vcpuNs).toBe(whole.before.vcpuNs);
  expect(part.reasons).toHaveLength(1);
  for (const key of ['rate', 'costNs', 'guestRate'] as const)
    expect(part.reasons[0][key].before).toBe(chosen[key].before);
});

test('costs and rates per unit of work are sums over it; times, shares and rates in the guest stay', async () => {
  const json = join(folder, 'work.json');
  const { status, err } = await kvmtrace('diff', BEFORE, AFTER, '--work', '830,640.5', '-o', json);
  expect([status, err]).toEqual([0, '']);
  const work: DiffModel = JSON.parse(readFileSync(json, 'utf8'));
  expect(work.work).toEqual({ before: 830, after: 640.5 });
  for (const row of model.reasons) {
    const found = work.reasons.find(({ isa, name }) => isa === row.isa && name === row.name)!;
    expect(found.rate.before).toBeCloseTo(row.before.exits / 830, 9);
    expect(found.rate.after).toBeCloseTo(row.after.exits / 640.5, 9);
    if (row.after.paired > 0) expect(found.costNs.after).toBeCloseTo(Number(row.after.totalNs) / 640.5, 6);
    for (const key of ['p50Ns', 'p90Ns', 'p99Ns', 'escalation', 'guestRate'] as const)
      expect([found[key].before, found[key].after]).toEqual([row[key].before, row[key].after]);
  }
  const { out } = await kvmtrace('diff', BEFORE, AFTER, '--work', '1000');
  expect(out).toContain('exits/unit before');
  expect(out).toContain('per unit of work (1,000 before, 1,000 after)');
  expect(out).not.toMatch(/per (vCPU-)?second/);
});

test.each(['', '0', '-5', '1,0', '1,2,3', 'x', '1e3', '5,'])('%j is no amount of work', async (text) => {
  const { status, err } = await kvmtrace('diff', BEFORE, AFTER, `--work=${text}`);
  expect(status).toBe(2);
  expect(err).toContain(`--work: '${text}' is not an amount of work`);
});

test('a time that was below the clock’s steps is not called new', async () => {
  const [row] = model.reasons;
  const p50Ns = { ...row.p50Ns, before: 0, after: 5000, change: 5000, changePct: null, low: 1, high: 9999 };
  const rose = { ...row, p50Ns: { ...p50Ns, verdict: 'higher' as const } };
  const text = await rendered({ ...model, reasons: [rose] }, 'text', 30, 200);
  const risen = text.split('\n').filter((line) => line.includes('+5.000 us'));
  expect(risen).toHaveLength(2);
  expect(risen.join()).not.toContain('new');
});

test('every format is written at once and says the same', async () => {
  const files = DIFF_RENDERERS.map(({ extensions }) => join(folder, `diff${extensions[0]}`));
  const { status, out, err } = await kvmtrace(
    'diff',
    BEFORE,
    AFTER,
    ...files.flatMap((file) => ['-o', file]),
  );
  expect([status, out, err]).toEqual([0, '', '']);
  const [text, html, md, json, csv] = files.map((file) => readFileSync(file, 'utf8'));
  const { reproduce, ...parsed }: DiffModel = JSON.parse(json);
  expect(parsed).toEqual(
    JSON.parse(JSON.stringify(model, (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
  );
  // A reader of the page can check the files, and make it again.
  const sums = [BEFORE, AFTER].map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));
  expect(reproduce!.inputs.map(({ sha256 }) => sha256)).toEqual(sums);
  for (const words of [`kvmtrace diff ${BEFORE} ${AFTER} -o`, ...sums, process.version])
    expect(html).toContain(words);
  expect(Object.keys(parsed.reasons[0].rate)).toEqual([
    'before',
    'after',
    'change',
    'changePct',
    'low',
    'high',
    'verdict',
  ]);
  const cpuid = parsed.reasons.find(({ name }) => name === 'CPUID')!;
  expect(cpuid.p50Ns.verdict).toBe('lower');
  const percent = `${cpuid.p50Ns.changePct!.toFixed(1)}%`;
  for (const shown of [text, html, md]) {
    expect(shown).toContain('exit reasons changed beyond noise');
    expect(shown).toContain(percent);
  }
  expect(csv).toContain(`vmx,10,CPUID,false,p50Ns,${cpuid.p50Ns.before},${cpuid.p50Ns.after},`);
  expect(csv.trim().split('\n')).toHaveLength(1 + 7 * (parsed.reasons.length + 2));
});

test('text fits its page', async () => {
  for (const width of [null, 80, 60, 40])
    for (const line of (await rendered(model, 'text', 30, width)).split('\n'))
      expect(displayWidth(line)).toBeLessThanOrEqual(width ?? 100);
});

test('rows are limited where asked, and the rest is told', async () => {
  expect(await rendered(model, 'text', 5)).toMatch(/… and \d+ more \(--rows 0 shows all\)/);
  expect(await rendered(model, 'text', 0)).not.toContain('more (');
});

describe('thresholds', () => {
  test.each([
    [['--fail-on', 'CPUID:p50<-20%'], 1, 'p50 of CPUID changed by -'],
    [['--fail-on', '*:p50<-40%'], 1, 'changed by'],
    [['--fail-on', 'CPUID:p50>5%'], 0, ''],
    [['--fail-on', 'CPUID:p50<-90%'], 0, ''],
    [['--fail-on', 'EXTERNAL_INTERRUPT:cost>5%'], 0, 'which may be noise'],
    [['--fail-on', 'CPUID:p99>5%'], 0, 'too little to tell'],
    [['--fail-on', 'WRMSR:count>1%'], 0, ''],
    [['--fail-on', 'npf:count>1%'], 0, 'no such exits'],
    [['--fail-on', 'cost>5%', '--fail-on', 'cpuid:p90<=-30%'], 1, 'p90 of CPUID'],
  ])('%j → %d', async (args, expected, message) => {
    const { status, err } = await kvmtrace('diff', BEFORE, AFTER, '--format', 'json', ...args);
    expect([status, err.includes(message)]).toEqual([expected, true]);
    if (message === '' && args.length === 2 && !args[1].startsWith('WRMSR')) expect(err).toBe('');
  });

  test('a capture against itself never fails', async () => {
    const { status } = await kvmtrace(
      'diff',
      BEFORE,
      BEFORE,
      '--fail-on',
      '*:cost>0%',
      '--fail-on',
      '*:p99>=0%',
    );
    expect(status).toBe(0);
  });

  test('what is new is more than any percentage, what is gone is -100 %', () => {
    const rate = {
      before: 0,
      after: 5,
      change: 5,
      changePct: null,
      low: 3,
      high: 7,
      verdict: 'higher' as const,
    };
    const changed = { ...model, busyTotals: { ...model.busyTotals, rate } };
    expect(checkDiffThreshold(changed, parseDiffThreshold('count>1000%'), () => true).exceeded).toBe(true);
    const gone = { ...rate, before: 5, after: 0, change: -5, changePct: -100, verdict: 'lower' as const };
    const less = { ...model, busyTotals: { ...model.busyTotals, rate: gone } };
    expect(checkDiffThreshold(less, parseDiffThreshold('count<=-100%'), () => true).exceeded).toBe(true);
    expect(checkDiffThreshold(less, parseDiffThreshold('count<-100%'), () => true).exceeded).toBe(false);
  });

  test.each(['p99>20', 'p98>5%', 'cost=5%', 'cost>5%%', '>5%', 'cost>', 'total>5%'])(
    '%s is refused',
    (text) => {
      expect(() => parseDiffThreshold(text)).toThrow(/not a threshold/);
    },
  );
});

test('filters choose the same in both', async () => {
  const { status, out } = await kvmtrace('diff', BEFORE, AFTER, '--reason', 'cpuid', '--format', 'json');
  expect(status).toBe(0);
  const chosen: DiffModel = JSON.parse(out);
  expect(chosen.reasons.map(({ name }) => name)).toEqual(['CPUID']);
  expect(chosen.selection).toEqual({ filters: ['reason cpuid'], kinds: ['reason'] });
  expect(chosen.reasons[0].before).toEqual(model.reasons.find(({ name }) => name === 'CPUID')!.before);
  const part = JSON.parse((await kvmtrace('diff', BEFORE, BEFORE, '--from', '0.05', '--format', 'json')).out);
  expect(part.before.wallNs).toBeLessThan(model.before.wallNs!);
  expect(part.before.wallNs).toBeGreaterThan(model.before.wallNs! / 2);
});

test('--redact leaves no name of a machine or file', async () => {
  const { out } = await kvmtrace('diff', BEFORE, AFTER, '--redact', '--format', 'json', '--tid', '1-9999');
  for (const name of ['kvmhost', 'intel-perf', SAMPLES, '9999']) expect(out).not.toContain(name);
  expect(out).toContain('"host": "host-1"');
  const page = (await kvmtrace('diff', BEFORE, AFTER, '--redact', '--format', 'html', '--tid', '1-9999')).out;
  for (const name of ['kvmhost', 'intel-perf', SAMPLES, '9999']) expect(page).not.toContain(name);
  expect(page).toContain('How to reproduce');
});

test('names that want to harm come out harmless', async () => {
  for (const name of HOSTILE_NAMES) {
    const { capture } = model.before;
    const hostile: DiffModel = {
      ...model,
      before: {
        ...model.before,
        capture: { ...capture, host: name, sources: [{ ...capture.sources[0], path: name }] },
      },
      reasons: model.reasons.map((row, i) => (i === 0 ? { ...row, name } : row)),
      userspace: model.userspace.map((row) => ({ ...row, name })),
      selection: { filters: [name], kinds: ['reason'] },
      notes: [name],
    };
    const text = await rendered(hostile, 'text');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2028]/);
    const html = await rendered(hostile, 'html');
    expect(html).not.toMatch(/<(?:script|img|svg|iframe|a|b onmouse)[\s>]/i);
    expect(html.match(/<table/g)).toHaveLength(3);
    const csv = await rendered(hostile, 'csv');
    for (const line of csv.split('\n')) expect(line.split(',')[2] ?? '').not.toMatch(/^"?[=+\-@]/);
    const md = await rendered(hostile, 'md');
    const rows = md.split('\n').filter((line) => line.startsWith('| '));
    expect(new Set(rows.map((line) => line.split(/(?<!\\)\|/).length)).size).toBeLessThanOrEqual(3);
  }
});

test('the page loads nothing and needs no script', async () => {
  const html = await rendered(model, 'html');
  expect(html).toContain(`content="default-src 'none'; style-src 'sha256-`);
  expect(html).not.toMatch(/<script|src=|href=/);
  // Nothing is cut: the legend's last words are there.
  expect(html).toContain('together at 95%');
  expect(Buffer.byteLength(html)).toBeLessThan(300 * 1024);
});
