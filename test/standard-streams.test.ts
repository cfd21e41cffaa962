/** Standard output that is written without Node's streams: pipes that are full, non-blocking, closed. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plainOutput } from '../src/commands/standard-streams.ts';
import { smallTrace } from './fixtures/small-trace.ts';
import { BIN, ensureBuilt, kvmtrace } from './support/built.ts';
import { SAMPLES } from './support/corpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-streams-'));
const NODE = process.execPath;
const trace = smallTrace(3000);
const PYTHON = spawnSync('python3', ['--version']);
/** 300 KB, more than a pipe holds. */
const ARGS = '- --format json --slow 3000';

beforeAll(ensureBuilt);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shell = (script: string) =>
  spawnSync('bash', ['-c', `set -o pipefail; ${script}`], {
    input: trace,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });

const outcome = (script: string) => {
  const { status, stdout, stderr } = shell(script);
  return { status, stdout, stderr };
};

test('a file gets all of it, in order', () => {
  const path = join(folder, 'out');
  const fd = openSync(path, 'w');
  const output = plainOutput(fd, () => expect.unreachable());
  let written = 0;
  output.write('é', () => written++);
  output.write(Buffer.from('b'), () => written++);
  output.write('c');
  closeSync(fd);
  expect(readFileSync(path, 'utf8')).toBe('ébc');
  expect(written).toBe(2);
});

test('an error is told first, then handed to the writer', () => {
  const fd = openSync('/dev/full', 'w');
  const told: string[] = [];
  const output = plainOutput(fd, ({ code }) => told.push(`failed ${code}`));
  output.write('x', (error) => told.push(`done ${(error as NodeJS.ErrnoException).code}`));
  closeSync(fd);
  expect(told).toEqual(['failed ENOSPC', 'done ENOSPC']);
});

describe('the program', () => {
  test('writes the same to a file and a slow pipe', async () => {
    const { stdout } = await kvmtrace(['report', ...ARGS.split(' ')], { input: trace });
    expect(stdout.length).toBeGreaterThan(200_000);
    const path = join(folder, 'report.json');
    expect(shell(`'${NODE}' '${BIN}' report ${ARGS} > '${path}'`).status).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(stdout);
    expect(shell(`'${NODE}' '${BIN}' report ${ARGS} | (sleep 0.5; cat)`)).toMatchObject({
      status: 0,
      stdout,
    });
  });

  test.skipIf(PYTHON.status !== 0)('waits for the reader of a non-blocking pipe', async () => {
    const { stdout } = await kvmtrace(['report', ...ARGS.split(' ')], { input: trace });
    const nonBlocking = `import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
child = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(0.5)
while chunk := os.read(r, 65536): sys.stdout.buffer.write(chunk)
sys.exit(child.wait())`;
    expect(shell(`python3 -c '${nonBlocking}' '${NODE}' '${BIN}' report ${ARGS}`)).toMatchObject({
      status: 0,
      stdout,
    });
  });

  test('ends with status 2 and says why when there is no room', () => {
    const { status, stderr } = shell(`'${NODE}' '${BIN}' report ${ARGS} > /dev/full`);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^kvmtrace: standard output: no space left on the device\n/);
  });

  test('reads what a shell hands over as a pipe with a name, once', () => {
    const path = join(folder, 'trace.txt');
    writeFileSync(path, trace);
    const exits = (input: string) => {
      const { status, stdout } = shell(`'${NODE}' '${BIN}' report ${input} --format csv`);
      return { status, stdout };
    };
    const whole = exits(path);
    expect(whole.stdout.split('\n').length).toBeGreaterThan(3);
    for (const input of [`<(cat ${path})`, `<(gzip -c ${path})`]) expect(exits(input)).toEqual(whole);
    expect(exits('/dev/null').status).toBe(2);
  });

  test.each(['--from 0.001 --to -1ms', '--to -1ms --reason npf'])(
    'keeps a pipe that it has to read again: %s',
    (filters) => {
      const path = join(folder, 'again.txt');
      writeFileSync(path, trace);
      const csv = (command: string) => outcome(command.replace('REPORT', `'${NODE}' '${BIN}' report`));
      const whole = csv(`REPORT ${path} ${filters} --format csv`);
      expect(whole).toMatchObject({ status: 0, stderr: '' });
      expect(whole.stdout.split('\n').length).toBeGreaterThan(1);
      for (const input of [`cat ${path} | REPORT -`, `gzip -c ${path} | REPORT -`, `REPORT <(cat ${path})`])
        expect(csv(`${input} ${filters} --format csv`)).toEqual(whole);
      expect(shell(`'${NODE}' '${BIN}' report - --from 1 < /dev/null`).stderr).toMatch(/the input is empty/);
    },
  );

  test('merges a pipe with another input', () => {
    const [kernel, qemu] = ['trace_pipe.txt.gz', 'trace.bin'].map((name) =>
      join(SAMPLES, 'qemu-simpletrace', name),
    );
    const report = `'${NODE}' '${BIN}' report --format csv --section qemu --table qemu`;
    const whole = outcome(`${report} ${qemu} ${kernel}`);
    expect(whole.stdout.split('\n').length).toBeGreaterThan(3);
    expect(outcome(`cat ${qemu} | ${report} - ${kernel}`)).toEqual(whole);
    expect(outcome(`${report} ${qemu} <(cat ${kernel}) --from 0`)).toEqual(
      outcome(`${report} ${qemu} ${kernel} --from 0`),
    );
  });
});
