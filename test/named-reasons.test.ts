/** Reasons that a recording has by their printed name only can be selected, left out and checked like all others. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processEnvironment } from '../src/commands/environment.ts';
import { run } from '../src/commands/main.ts';
import { SAMPLES } from './support/corpus.ts';

/** Exits of 10 µs each: reason and thread. Names that no table has, one of them with a dash. */
const EXITS: readonly (readonly [string, number])[] = [
  ['HLT', 1],
  ['TDX_MAGIC', 1],
  ['CPUID', 1],
  ['TDX_MAGIC', 2],
  ['Odd-Name', 2],
  ['HLT', 2],
  ['CPUID', 2],
  ['TDX_MAGIC', 2],
];

function text(exits: readonly (readonly [string, number])[]): string {
  return exits
    .map(([name, thread], i) => {
      const line = (us: number, event: string) =>
        `       CPU ${thread}/KVM-14${thread}     [00${thread}] d..1.    17.${String(us).padStart(6, '0')}: ${event}\n`;
      const at = 100 * (i + 1);
      return (
        line(at, `kvm_exit: reason ${name} rip 0xffffffff81000000 info 0 0`) +
        line(at + 10, `kvm_entry: vcpu ${thread}`)
      );
    })
    .join('');
}

let folder: string;
let trace: string;
let capture: string;
let plain: string;
const PERF = join(SAMPLES, 'intel-perf/perf.data');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-named-'));
  [trace, capture, plain] = ['trace.txt', 'trace.arrow', 'plain.txt'].map((name) => join(folder, name));
  writeFileSync(trace, text(EXITS));
  writeFileSync(plain, text(EXITS.filter(([name]) => /^[A-Z]+$/.test(name))));
  expect(await kvmtrace('convert', trace, '-o', capture)).toMatchObject({ status: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function kvmtrace(...args: string[]) {
  const sink = () => {
    let all = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        all += chunk;
        done();
      },
    });
    return Object.assign(stream, { isTTY: false, columns: 100, text: () => all });
  };
  const stdout = sink();
  const stderr = sink();
  const status = await run(args, {
    stdout,
    stderr,
    env: {},
    loadPipeline: processEnvironment().loadPipeline,
  });
  return { status, stdout: stdout.text(), stderr: stderr.text() };
}

/** Exits by reason of a report. */
async function counts(...args: string[]): Promise<Record<string, number>> {
  const { status, stdout, stderr } = await kvmtrace('report', ...args, '--format', 'json');
  expect([status, stderr]).toEqual([0, '']);
  const { reasons } = JSON.parse(stdout) as { reasons: { name: string; exits: number }[] };
  return Object.fromEntries(reasons.map(({ name, exits }) => [name, exits]));
}

describe.each([
  ['text', () => trace],
  ['capture', () => capture],
])('%s', (_, input) => {
  test.each<[string[], Record<string, number>]>([
    [['--reason', 'TDX_MAGIC'], { TDX_MAGIC: 3 }],
    [['--reason', 'tdx-magic'], { TDX_MAGIC: 3 }],
    [['--reason', 'odd name,hlt'], { 'Odd-Name': 1, HLT: 2 }],
    [['--reason', 'TDX_MAGIC', '--reason', 'cpuid'], { TDX_MAGIC: 3, CPUID: 2 }],
    [['--exclude', 'tdx_magic'], { 'Odd-Name': 1, HLT: 2, CPUID: 2 }],
    [['--exclude', 'TDX_MAGIC,hlt', '--exclude', 'ODD_NAME'], { CPUID: 2 }],
    [['--reason', 'TDX_MAGIC,cpuid', '--exclude', 'TDX_MAGIC'], { CPUID: 2 }],
    // A name that exists, but not where one looks.
    [['--reason', 'odd-name', '--tid', '141'], {}],
    [['--reason', 'TDX_MAGIC', '--tid', '141'], { TDX_MAGIC: 1 }],
    [['--reason', 'TDX_MAGIC', '--from', '0.00035'], { TDX_MAGIC: 1 }],
    [['--reason', 'TDX_MAGIC', '--jobs', '1'], { TDX_MAGIC: 3 }],
  ])('%j', async (args, expected) => {
    expect(await counts(input(), ...args)).toEqual(expected);
  });

  test('--fail-on speaks of them', async () => {
    const check = async (...args: string[]) => {
      const { status, stderr } = await kvmtrace('report', input(), ...args);
      return [status, stderr];
    };
    const found = (threshold: string, what: string) => `kvmtrace: --fail-on '${threshold}': ${what}\n`;
    expect(await check('--fail-on', 'TDX_MAGIC:count>=3')).toEqual([
      1,
      found('TDX_MAGIC:count>=3', 'count of TDX_MAGIC is 3'),
    ]);
    expect(await check('--fail-on', 'tdx-magic:count>3')).toEqual([0, '']);
    expect(await check('--fail-on', 'odd name:max>=10us')).toMatchObject([
      1,
      expect.stringContaining('10.0'),
    ]);
    expect(await check('--fail-on', 'TDX_MAGIC:max>10us')).toEqual([0, '']);
    // Left out of the report, but no error.
    expect(await check('--fail-on', 'TDX_MAGIC:count>0', '--exclude', 'TDX_MAGIC')).toEqual([0, '']);
    expect(await check('--fail-on', 'TDX_MAGIC:p99>1s', '--exclude', 'TDX_MAGIC')).toEqual([
      0,
      found('TDX_MAGIC:p99>1s', 'no such exits'),
    ]);
  });

  test('names that no exit has are an error, and outputs are not written', async () => {
    const output = join(folder, 'out.md');
    for (const [option, value] of [
      ['--reason', 'TDX_MAGIK'],
      ['--exclude', 'hlt,TDX_MAGIK'],
      ['--fail-on', 'TDX_MAGIK:count>0'],
    ] as const) {
      const { status, stdout, stderr } = await kvmtrace('report', input(), option, value, '-o', output);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`kvmtrace: ${option}: 'TDX_MAGIK' is not an exit reason\n`);
      expect(stderr).toContain('Reasons of this recording without a number: "TDX_MAGIC", "Odd-Name".');
      expect(() => readFileSync(output)).toThrow('ENOENT');
    }
    // Other strings of the recording are none.
    const { status, stderr } = await kvmtrace('report', input(), '--reason', 'CPU 1/KVM');
    expect([status, stderr]).toEqual([2, expect.stringContaining("'CPU 1/KVM' is not an exit reason")]);
  });
});

test('a recording without such reasons: the error of always', async () => {
  const { status, stderr } = await kvmtrace('report', plain, '--reason', 'cpiud');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^kvmtrace: --reason: 'cpiud' is not an exit reason\n {2}Did you mean CPUID\?\n$/i);
});

test('binary recordings have numbers only: they need not be read to say so', async () => {
  const cut = join(folder, 'cut.data');
  // Reading it would fail: it is cut off in its header.
  writeFileSync(cut, readFileSync(PERF).subarray(0, 200));
  for (const option of ['--reason', '--exclude']) {
    const { status, stderr } = await kvmtrace('report', cut, option, 'cpiud');
    expect([status, stderr]).toEqual([2, expect.stringContaining("'cpiud' is not an exit reason")]);
  }
  expect(await counts(PERF, '--reason', 'cpuid')).toMatchObject({ CPUID: expect.any(Number) });
});

describe('diff', () => {
  const totals = async (before: string, after: string, ...args: string[]) => {
    const { status, stdout, stderr } = await kvmtrace('diff', before, after, ...args, '--format', 'json');
    return { status, stderr, reasons: status ? [] : (JSON.parse(stdout).reasons as { name: string }[]) };
  };

  test('a reason that only one of the recordings has can be selected', async () => {
    for (const pair of [
      [trace, plain],
      [plain, trace],
      [plain, capture],
    ] as const) {
      const { status, stderr, reasons } = await totals(...pair, '--reason', 'tdx_magic');
      expect([status, stderr]).toEqual([0, '']);
      expect(reasons.map(({ name }) => name)).toEqual(['TDX_MAGIC']);
    }
  });

  test('one that neither has is an error', async () => {
    for (const args of [
      ['--reason', 'TDX_MAGIK'],
      ['--fail-on', 'TDX_MAGIK:count>1%'],
    ] as const)
      expect(await totals(plain, trace, ...args)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(`${args[0]}: 'TDX_MAGIK' is not an exit reason`),
      });
    expect(await totals(plain, trace, '--fail-on', 'hlx:p99>20%')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('Did you mean'),
    });
  });
});

test('several inputs: names of any of them', async () => {
  const second = join(folder, 'second.txt');
  writeFileSync(second, text([['NEW_ONE', 3]]));
  expect(await counts(plain, second, '--reason', 'new_one')).toEqual({ NEW_ONE: 1 });
  expect(await counts(PERF, second, '--exclude', 'NEW_ONE')).not.toHaveProperty('NEW_ONE');
});

test('all but such a reason, in a long recording, is what there is without it', async () => {
  const sample = gunzipSync(readFileSync(join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz'))).toString(
    'latin1',
  );
  const renamed = join(folder, 'renamed.txt');
  const whole = join(folder, 'whole.txt');
  writeFileSync(whole, sample, 'latin1');
  writeFileSync(renamed, sample.replaceAll('reason CPUID ', 'reason CPUID_X '), 'latin1');
  expect(await counts(renamed, '--exclude', 'cpuid_x')).toEqual(await counts(whole, '--exclude', 'cpuid'));
  const [[, exits]] = Object.entries(await counts(whole, '--reason', 'cpuid'));
  expect(await counts(renamed, '--reason', 'CPUID_x')).toEqual({ CPUID_X: exits });
});
