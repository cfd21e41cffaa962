/** The command line in one process: real inputs and files, streams of the test's own. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processEnvironment } from '../src/commands/environment.ts';
import { run } from '../src/commands/main.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { smallTrace } from './fixtures/small-trace.ts';

let folder: string;
let trace: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-cli-'));
  trace = join(folder, 'trace.txt');
  writeFileSync(trace, smallTrace(30));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly env?: NodeJS.ProcessEnv;
}

async function kvmtrace(args: string[], { isTTY = false, columns = 100, env = {} }: Terminal = {}) {
  const sink = () => {
    let text = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    });
    return Object.assign(stream, { isTTY, columns, text: () => text });
  };
  const stdout = sink();
  const stderr = sink();
  const status = await run(args, { stdout, stderr, env, loadPipeline: processEnvironment().loadPipeline });
  return { status, stdout: stdout.text(), stderr: stderr.text() };
}

/** No unfinished files may stay behind. */
const leftovers = () => readdirSync(folder).filter((name) => name.includes('.tmp'));

describe('report', () => {
  test('goes to standard output as text', async () => {
    const { status, stdout, stderr } = await kvmtrace(['report', trace]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}CPUID +10 +33\.3 /m);
    expect(stdout).toMatch(/^ {2}HLT \* +10 +33\.3 +10\.00 ms /m);
    expect(stdout).toMatch(/^ {2}IO_INSTRUCTION +10 .* 100\.0$/m);
  });

  test('several files, each in the format of its ending; standard output stays empty', async () => {
    const [md, json, csv] = ['a.md', 'a.json', 'a.csv'].map((name) => join(folder, name));
    const { status, stdout } = await kvmtrace([
      'report',
      trace,
      '-o',
      md,
      '-o',
      json,
      '-o',
      csv,
      '--table',
      'vcpus',
    ]);
    expect([status, stdout]).toEqual([0, '']);
    expect(readFileSync(md, 'utf8')).toMatch(/^# KVM exits/);
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({
      schema: 'kvmtrace.report',
      quality: { exits: 30, paired: 30 },
    });
    expect(readFileSync(csv, 'utf8')).toMatch(/^pid,tid,comm,vcpu/);
    expect(leftovers()).toEqual([]);
  });

  test('a table of a section needs no --section: it would be empty', async () => {
    for (const table of ['ledger', 'intervals', 'hotspots', 'heatmap']) {
      const { stdout } = await kvmtrace(['report', trace, '--format', 'csv', '--table', table]);
      expect(stdout.trimEnd().split('\n').length, table).toBeGreaterThan(1);
    }
  });

  test('--section all is every section by name', async () => {
    const report = async (sections: string) =>
      (await kvmtrace(['report', trace, '--format', 'json', '--section', sections])).stdout;
    const all = await report('all');
    expect(all).toBe(await report(SECTION_IDS.join(',')));
    expect(await report('ledger,ALL')).toBe(all);
    expect(all).not.toBe(await report('ledger'));
  });

  test('--format decides whatever the ending', async () => {
    const path = join(folder, 'odd.dat');
    expect((await kvmtrace(['report', trace, '--format', 'JSON', '-o', path, '-o', '-'])).stdout).toMatch(
      /^\{\n/,
    );
    expect(JSON.parse(readFileSync(path, 'utf8')).schemaVersion).toBe(1);
  });

  test('the same input gives the same bytes', async () => {
    for (const format of ['text', 'md', 'json', 'csv']) {
      const first = await kvmtrace(['report', trace, '--format', format]);
      expect((await kvmtrace(['report', trace, '--format', format])).stdout).toBe(first.stdout);
    }
  });

  test('filters reach the analysis and are named in the report', async () => {
    const { stdout } = await kvmtrace([
      'report',
      trace,
      '--tid',
      '139',
      '--reason',
      'hlt',
      '--format',
      'json',
    ]);
    const model = JSON.parse(stdout);
    expect(model.selection.filters).toEqual(['tid 139', 'reason hlt']);
    expect(model.reasons).toHaveLength(1);
    expect(model.reasons[0]).toMatchObject({ name: 'HLT', exits: 5 });
  });

  test('--to takes a negative moment as its value', async () => {
    const all = JSON.parse((await kvmtrace(['report', trace, '--format', 'json'])).stdout);
    const { status, stdout } = await kvmtrace(['report', trace, '--to', '-5ms', '--format', 'json']);
    expect(status).toBe(0);
    const cut = JSON.parse(stdout);
    expect(cut.reasons.reduce((sum: number, row: { exits: number }) => sum + row.exits, 0)).toBeLessThan(30);
    expect(cut.capture.events).toEqual(all.capture.events);
  });

  test('colour is for terminals that want it', async () => {
    const colored = async (args: string[], terminal: Terminal) =>
      (await kvmtrace([...args, 'report', trace], terminal)).stdout.includes('\x1b[');
    expect(await colored([], {})).toBe(false);
    expect(await colored([], { isTTY: true })).toBe(true);
    expect(await colored([], { isTTY: true, env: { NO_COLOR: '1' } })).toBe(false);
    expect(await colored([], { isTTY: true, env: { NO_COLOR: '' } })).toBe(true);
    expect(await colored([], { isTTY: true, env: { TERM: 'dumb' } })).toBe(false);
    expect(await colored(['--color', 'always'], { env: { NO_COLOR: '1' } })).toBe(true);
    expect(await colored(['--color', 'never'], { isTTY: true })).toBe(false);
  });

  test('a file never has colours, even if the terminal does', async () => {
    const path = join(folder, 'plain.txt');
    await kvmtrace(['report', trace, '-o', path, '--color', 'always'], { isTTY: true });
    expect(readFileSync(path, 'utf8')).not.toContain('\x1b');
  });
});

describe('--fail-on', () => {
  test('1 when a threshold is exceeded: the report is there all the same, and stderr says which', async () => {
    const { status, stdout, stderr } = await kvmtrace([
      'report',
      trace,
      '--fail-on',
      'cpuid:p99>9us',
      '--fail-on',
      'lost>0',
      '--fail-on',
      'count>19',
    ]);
    expect(status).toBe(1);
    expect(stdout).toContain('Exits by reason');
    expect(stderr).toBe(
      "kvmtrace: --fail-on 'cpuid:p99>9us': p99 of CPUID is 10.00 us\nkvmtrace: --fail-on 'count>19': count of all exits but idle ones is 20\n",
    );
  });
  test('0 when none is', async () => {
    expect(await kvmtrace(['report', trace, '--fail-on', 'cpuid:p99>11us'])).toMatchObject({
      status: 0,
      stderr: '',
    });
  });
  test('0 when there is nothing to measure, but not without a word', async () => {
    expect(await kvmtrace(['report', trace, '--fail-on', 'wbinvd:p99>1us'])).toMatchObject({
      status: 0,
      stderr: "kvmtrace: --fail-on 'wbinvd:p99>1us': no such exits\n",
    });
  });
  test('a wrong threshold is found before the input is read', async () => {
    const { status, stderr } = await kvmtrace(['report', join(folder, 'missing'), '--fail-on', 'p99>fast']);
    expect(status).toBe(2);
    expect(stderr).toContain("--fail-on: 'fast' is not a duration");
  });
});

describe('wrong use is status 2, one message, and what to do', () => {
  test.each([
    [['report'], /missing required argument 'inputs'/],
    [['report', 'TRACE', '--nonsense'], /unknown option '--nonsense'\n {2}See: kvmtrace help report/],
    [
      ['report', 'TRACE', '--heatmap', '-'],
      /--heatmap -: standard output is for the report\n {2}Name a file/,
    ],
    [['report', 'FOLDER/\ufffdname'], /no such file or directory\n {2}A name that is not UTF-8/],
    [
      ['report', 'TRACE', '--format', 'yaml'],
      /--format: 'yaml' is not a format of report\n {2}Known: text, html, md, json, csv, perfetto, folded, folded-counts/,
    ],
    [['report', 'TRACE', '-o', 'FOLDER/x.xyz'], /no format has this ending\n {2}Known endings: /],
    [
      ['report', 'TRACE', '-o', 'FOLDER/x.arrow'],
      /a capture is no report\n {2}Make one with kvmtrace convert/,
    ],
    [['report', 'TRACE', '-o', 'FOLDER/a.txt', '-o', 'FOLDER/a.txt'], /the same output is named twice/],
    [['report', 'TRACE', '-o', 'FOLDER/a.txt', '-o', 'FOLDER/./a.txt'], /the same output is named twice/],
    [['report', 'TRACE', '-o', 'FOLDER/a.txt', '--heatmap', 'FOLDER/a.txt'], /same output is named twice/],
    [['report', 'TRACE', '--heatmap=/dev/full'], /^kvmtrace: \/dev\/full: no space left on the device/],
    [['report', 'TRACE', '--guest-symbols=FOLDER'], /^kvmtrace: .*: is a directory/],
    [
      ['diff', 'TRACE', 'TRACE', '-o', 'FOLDER/a.txt', '-o', 'FOLDER/a.txt'],
      /the same output is named twice/,
    ],
    [['diff', 'TRACE', 'TRACE', '-o', 'FOLDER/a.arrow'], /a capture is no diff/],
    [['report', 'TRACE', '--table', 'vcpus'], /--table chooses what a CSV file holds/],
    [['report', 'TRACE', '--format', 'csv', '--table', 'x'], /'x' is not a table\n {2}Known: reasons/],
    [['report', 'TRACE', '--than', '5'], /--than: '5' is not a duration/],
    [['report', 'TRACE', '--reason', 'cpiud'], /'cpiud' is not an exit reason\n {2}Did you mean CPUID/i],
    [['report', 'FOLDER/none'], /none: no such file or directory\n {2}Check the name/],
    [['report', 'FOLDER'], /folder|directory/],
    [['info', 'TRACE', '--format', 'csv'], /Known: text, json/],
    [['convert', 'TRACE'], /convert needs an output/],
    [['convert', 'TRACE', '-o', 'FOLDER/x.parquet'], /name ends in \.arrow/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['help', 'nonsense'], /unknown command 'nonsense'/],
    [['repot', '--help'], /unknown command 'repot'\n {2}Did you mean report\?/],
    [['completion', 'powershell'], /'powershell' is not a shell\n {2}Known: bash, zsh, fish\./],
  ])('%j', async (args, message) => {
    const { status, stdout, stderr } = await kvmtrace(
      args.map((arg) => arg.replace('TRACE', trace).replace('FOLDER', folder)),
    );
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^kvmtrace: /);
    expect(stderr).not.toMatch(/^ +at /m);
    expect([status, stdout]).toEqual([2, '']);
    expect(leftovers()).toEqual([]);
  });

  test('an unreadable format names the file and what each format looked for', async () => {
    const path = join(folder, 'noise.bin');
    writeFileSync(path, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) & 0xff)));
    const { status, stderr } = await kvmtrace(['report', path]);
    expect(status).toBe(2);
    expect(stderr).toContain(path);
    expect(stderr).toMatch(/^ {2}perf\.data: /m);
    expect(stderr).toMatch(/^ {2}ftrace-text: /m);
  });

  test('a name cannot steer the terminal', async () => {
    const { stderr } = await kvmtrace(['report', join(folder, '\x1b[2Jx\n\u202ey')]);
    expect(stderr.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test('a file name in the place of a command', async () => {
    expect((await kvmtrace([trace])).stderr).toContain(`kvmtrace report ${trace}`);
  });

  test('--debug shows where an error came from', async () => {
    expect((await kvmtrace(['report', join(folder, 'none'), '--debug'])).stderr).toMatch(/^ +at /m);
  });
});

describe('output files', () => {
  test('a place that cannot be written fails before the input is looked at', async () => {
    const { status, stderr } = await kvmtrace([
      'report',
      join(folder, 'none'),
      '-o',
      join(folder, 'no/such/folder.json'),
    ]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/folder\.json: its folder does not exist\n {2}Make the folder first/);
  });
  test('an input is never an output', async () => {
    const copy = join(folder, 'input.txt');
    writeFileSync(copy, smallTrace(3));
    symlinkSync(copy, join(folder, 'link.txt'));
    for (const name of ['input.txt', './input.txt', 'link.txt'])
      expect((await kvmtrace(['report', copy, '-o', join(folder, name)])).stderr).toContain(
        'is an input too',
      );
    expect(readFileSync(copy, 'utf8')).toBe(smallTrace(3));
  });
  test('a failure leaves the former file as it was', async () => {
    const path = join(folder, 'kept.json');
    writeFileSync(path, 'old');
    expect((await kvmtrace(['report', join(folder, 'none'), '-o', path])).status).toBe(2);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(leftovers()).toEqual([]);
  });
  test('a link stays a link, a mode stays a mode', async () => {
    const target = join(folder, 'target.json');
    writeFileSync(target, 'old', { mode: 0o600 });
    const link = join(folder, 'to-target.json');
    symlinkSync(target, link);
    expect((await kvmtrace(['report', trace, '-o', link])).status).toBe(0);
    expect(JSON.parse(readFileSync(target, 'utf8')).schemaVersion).toBe(1);
    expect(statSync(target).mode & 0o777).toBe(0o600);
  });
  test('a device is written as it is', async () => {
    expect((await kvmtrace(['report', trace, '--format', 'json', '-o', '/dev/null'])).status).toBe(0);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
  test('a folder is refused', async () => {
    mkdirSync(join(folder, 'folder.json'));
    expect((await kvmtrace(['report', trace, '-o', join(folder, 'folder.json')])).stderr).toContain(
      'is a directory',
    );
  });
});

describe('info', () => {
  test('as text and as JSON', async () => {
    const text = await kvmtrace(['info', trace]);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^ +30 {2}kvm_exit$/m);
    expect(text.stdout).toMatch(/^ {2}139 .*CPU 0\/KVM/m);
    const model = JSON.parse((await kvmtrace(['info', trace, '--format', 'json'])).stdout);
    expect(model).toMatchObject({
      schema: 'kvmtrace.info',
      schemaVersion: 1,
      capture: { events: { kvm_exit: 30, kvm_entry: 30 } },
    });
  });
});

describe('convert', () => {
  test('writes a capture that gives the same report', async () => {
    const capture = join(folder, 'capture.arrow');
    const { status, stdout, stderr } = await kvmtrace(['convert', trace, '-o', capture]);
    expect([status, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/capture\.arrow: 70 events over /);
    const [raw, converted] = await Promise.all(
      [trace, capture].map(async (path) =>
        JSON.parse((await kvmtrace(['report', path, '--format', 'json'])).stdout),
      ),
    );
    for (const key of ['reasons', 'escalation', 'slow', 'vcpus', 'quality', 'totals', 'busyTotals'])
      expect(converted[key], key).toEqual(raw[key]);
    expect(leftovers()).toEqual([]);
  });
  test('says that more was lost than is counted', async () => {
    const lossy = join(folder, 'lossy.txt');
    const lines = readFileSync(trace, 'utf8').split('\n');
    lines.splice(lines.length - 3, 0, 'CPU:1 [LOST 5 EVENTS]', 'CPU:2 [LOST EVENTS]');
    writeFileSync(lossy, lines.join('\n'));
    const { stderr } = await kvmtrace(['convert', lossy, '-o', join(folder, 'lossy.arrow')]);
    expect(stderr).toContain('; at least 5 events had been lost\n');
  });
  test('leaves nothing behind when the input is none', async () => {
    expect(
      (await kvmtrace(['convert', join(folder, 'none'), '-o', join(folder, 'never.arrow')])).status,
    ).toBe(2);
    expect(existsSync(join(folder, 'never.arrow'))).toBe(false);
    expect(leftovers()).toEqual([]);
  });
  test('does not pour binary into a terminal', async () => {
    expect((await kvmtrace(['convert', trace, '-o', '-'], { isTTY: true })).stderr).toContain(
      'is a terminal',
    );
  });
});

describe('help', () => {
  test('begins with examples, exits 0 and lists only what there is', async () => {
    for (const args of [['--help'], ['report', '--help'], ['info', '-h'], ['convert', '--help'], ['help']]) {
      const { status, stdout, stderr } = await kvmtrace(args);
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^Examples:\n/);
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
    }
    const commands = [...(await kvmtrace(['--help'])).stdout.matchAll(/^ {2}(\w+) .*/gm)].map(
      (match) => match[1],
    );
    expect(commands).toEqual(expect.arrayContaining(['report', 'info', 'convert']));
  });
  test('without a command on stderr, as wrong use', async () => {
    const { status, stdout, stderr } = await kvmtrace([]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Examples:\n/);
  });
});
