/** What `kvmtrace record` leaves when it is killed while it converts, and what becomes of that. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { UsageError } from '../src/core/errors.ts';
import { checkHost, readHostFacts } from '../src/record/checks.ts';
import { clearLeftovers } from '../src/record/leftovers.ts';
import { dropGuard, makeWorkFolder, noteGuard } from '../src/record/work-folder.ts';
import { BIN, ensureBuilt, kvmtrace } from './support/built.ts';
import { until } from './support/recording.ts';

let noHost: string | null = null;
try {
  checkHost(readHostFacts());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  noHost = `SKIPPED: ${error.message}`;
}
if (noHost) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-leftovers: ${noHost}\n${'!'.repeat(78)}\n`);

let folder: string;
beforeAll(ensureBuilt, 120_000);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-leftovers-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hidden = () => readdirSync(folder).filter((name) => name.startsWith('.'));

/** A recording that takes a while to convert, killed meanwhile. Its helper. */
async function killConverting(): Promise<string> {
  const helper = join(folder, 'helper');
  const line =
    ' CPU 0/KVM-10 [000] d.... 1.000000: kvm_entry: vcpu 0, rip 0xfff0 intr_info 0x0 error_code 0x0';
  writeFileSync(
    helper,
    `#!/bin/sh
[ "$1" = --version ] && { echo kvmtrace-capture 0; exit; }
[ "$1" = --cleanup ] && { echo '{"type":"info","code":"clean","message":"nothing to clean up"}'; exit; }
echo '{"type":"start"}' >&3; while [ "$1" != -o ]; do shift; done
yes '${line}' | head -n 400000 >"$2"; echo '{"type":"end","reason":"duration"}' >&3\n`,
  );
  chmodSync(helper, 0o755);
  const child = spawn(process.execPath, [BIN, 'record', '--text', '--helper', helper, '-o', 'x.arrow'], {
    cwd: folder,
    stdio: 'ignore',
  });
  const ended = new Promise((done) => child.on('close', done));
  await until('it converts', () => hidden().some((name) => existsSync(join(folder, name, 'capture.arrow'))));
  child.kill('SIGKILL');
  await ended;
  expect(existsSync(join(folder, 'x.arrow'))).toBe(false);
  expect(hidden()).toHaveLength(1);
  return helper;
}

test.for([
  ['the next one into the same folder', 'y.arrow'],
  ['the same command again, which refuses', 'x.arrow'],
  ['--cleanup', null],
])('half a capture is removed, and the raw file told, by %s', async ([_name, output], ctx) => {
  if (noHost) return ctx.skip(noHost);
  const helper = await killConverting();
  // The next one ends at once.
  const short = readFileSync(helper, 'utf8').replace('400000', '1');
  writeFileSync(helper, short);
  const args = output === null ? ['--cleanup'] : ['--text', '-o', output];
  const { status, stderr } = await kvmtrace(['record', '--helper', helper, ...args], { cwd: folder });
  expect(status, stderr).toBe(output === 'x.arrow' ? 2 : 0);
  expect(stderr).toMatch(
    /^kvmtrace: removed \.x\.recording-\w{6}, left of a recording that was killed before its capture was complete\n {2}What it recorded is kept\. Convert it: kvmtrace convert x\.txt -o x\.arrow$/m,
  );
  if (output === 'x.arrow')
    expect(stderr).toMatch(
      /x\.txt .*overwrites nothing\n {2}If it is of a recording that was killed: kvmtrace convert x\.txt -o x\.arrow\. Else choose another name/,
    );
  if (output === null) expect(stderr).not.toContain('nothing to clean up');
  expect(hidden()).toEqual([]);
  expect(readdirSync(folder)).toContain('x.txt');
});

test('only what belongs to the dead is removed, and nothing of use', () => {
  if (process.platform !== 'linux') return;
  const said: string[] = [];
  const clear = () => clearLeftovers(folder, (message) => void said.push(message));
  const make = (name: string, change: Readonly<Record<string, unknown>> = {}) => {
    const work = makeWorkFolder([join(folder, `${name}.arrow`), join(folder, `${name}.dat`)]);
    const owner = join(work, 'owner');
    writeFileSync(owner, JSON.stringify({ ...JSON.parse(readFileSync(owner, 'utf8')), ...change }));
    return work;
  };
  const dead = { start: '1' };
  make('alive');
  make('elsewhere', { ...dead, host: 'another' });
  make('contained', { ...dead, namespace: 'pid:[1]' });
  noteGuard(make('guarded', dead), process.pid);
  chmodSync(make('open', dead), 0o755);
  const tracing = make('tracing', dead);
  noteGuard(tracing, 2 ** 22 + 1);
  writeFileSync(join(make('damaged', dead), 'owner'), '{');
  mkdirSync(join(folder, '.theirs.recording-abcdef'));
  const victim = mkdtempSync(join(tmpdir(), 'kvmtrace-leftovers-'));
  symlinkSync(victim, join(folder, '.link.recording-abcdef'));
  const before = hidden().sort();
  expect(clear()).toBe(0);
  expect(hidden().sort()).toEqual(before);
  expect(said).toEqual([
    expect.stringContaining(`${tracing} is left of a recording that was killed together with the process`),
  ]);
  make('rebooted', { boot: 'before' });
  make('killed', dead);
  const restored = make('restored', dead);
  noteGuard(restored, 2 ** 22 + 1);
  dropGuard(restored);
  expect(clear()).toBe(3);
  expect(hidden().sort()).toEqual(before);
  rmSync(victim, { recursive: true });
});
