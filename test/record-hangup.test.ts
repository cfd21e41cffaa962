/** `kvmtrace record` and a terminal that closes: under nohup, however that was started, and without. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkHost, readHostFacts } from '../src/record/checks.ts';
import { isUnderNohup } from '../src/record/nohup.ts';
import { BIN, ensureBuilt } from './support/built.ts';
import { buildHelper, until } from './support/recording.ts';

function hostMissing(): string | null {
  try {
    checkHost(readHostFacts());
  } catch (error) {
    return `SKIPPED: ${(error as Error).message}`;
  }
  const missing = ['cc', 'script', 'nohup', 'bash'].find(
    (program) => spawnSync(program, ['--version']).error,
  );
  return missing ? `SKIPPED: ${missing} is not installed` : null;
}
const noHost = hostMissing();
if (noHost) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-hangup: ${noHost}\n${'!'.repeat(78)}\n`);

let folder: string;
let helper: string;
let quoted: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-hangup-'));
  if (noHost) return;
  await ensureBuilt();
  helper = buildHelper(folder);
  quoted = [process.execPath, BIN, 'record', '--helper', helper].map((word) => `'${word}'`).join(' ');
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('nohup shows by its standard input, or by what the shell says', () => {
  const unreadable = openSync('/dev/null', 'w');
  expect(isUnderNohup({}, unreadable)).toBe(process.platform === 'linux');
  expect(isUnderNohup({}, openSync('/dev/null', 'r'))).toBe(false);
  expect(isUnderNohup({}, openSync('/dev/zero', 'w'))).toBe(false);
  expect(isUnderNohup({}, 99)).toBe(false);
  expect(isUnderNohup({ _: '/usr/bin/nohup' }, 99)).toBe(true);
  expect(isUnderNohup({ _: '/usr/bin/node' }, 99)).toBe(false);
});

/**
 * Runs it in a terminal, which is closed while it records; what it said then. In the background of a script its standard
 * input is no terminal, and bash tells of nohup in `_` (dash tells nothing); in the foreground any shell will do.
 */
async function closeTerminal(
  name: string,
  before: string,
  after: string,
  foreground = false,
): Promise<string> {
  const recording = `${before} ${quoted} -o ${name}.arrow -d 4 -p ${process.pid} ${after} >${name}.log 2>&1`;
  const terminal = spawn(
    'script',
    ['-qec', `cd '${folder}'; ${recording} ${foreground ? '; true' : '& wait'}`, '/dev/null'],
    // script runs the shell that $SHELL names.
    { stdio: 'ignore', env: { ...process.env, SHELL: foreground ? '/bin/sh' : '/bin/bash' } },
  );
  await until('it records', () => existsSync(join(folder, `${name}.dat`)));
  await new Promise((tick) => setTimeout(tick, 1200));
  terminal.kill('SIGKILL');
  await until('there is a capture', () => existsSync(join(folder, `${name}.arrow`)));
  const said = () => readFileSync(join(folder, `${name}.log`), 'utf8');
  await until('it has ended', () => said().includes(`${name}.arrow: `));
  return said();
}

test.concurrent('a recording whose messages went to the closed terminal is converted, and ends in order', async (ctx) => {
  if (noHost) return ctx.skip(noHost);
  const file = (name: string) => join(folder, name);
  const close = async (name: string, command: string) => {
    const terminal = spawn('script', ['-qec', `cd '${folder}'; ${command}`, '/dev/null'], {
      stdio: 'ignore',
    });
    await until('it records', () => existsSync(file(`${name}.dat`)));
    await new Promise((tick) => setTimeout(tick, 1500));
    terminal.kill('SIGKILL');
    await until('there is a capture', () => existsSync(file(`${name}.arrow`)));
  };
  const words = (name: string, time: number) => `${quoted} -o ${name}.arrow -d ${time} -p ${process.pid}`;
  await Promise.all([
    close('hung', words('hung', 30)),
    // The shell outlives the terminal to tell how it ended. So no hang-up is sent, but writing fails.
    close('shown', `trap '' HUP; ${words('shown', 4)}; echo $? >status`),
  ]);
  await until(
    'its status',
    () => existsSync(file('status')) && readFileSync(file('status'), 'utf8') === '0\n',
  );
});

test.concurrent('a recording whose messages nobody reads goes on', async (ctx) => {
  if (noHost) return ctx.skip(noHost);
  const args = [
    BIN,
    'record',
    '--helper',
    helper,
    '-o',
    'unread.arrow',
    '-d',
    '2',
    '-p',
    String(process.pid),
  ];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((done) => child.on('exit', (status) => done(status)));
  await until('it records', () => existsSync(join(folder, 'unread.dat')));
  child.stderr.destroy();
  // A message.
  child.kill('SIGTSTP');
  expect([await ended, existsSync(join(folder, 'unread.arrow'))]).toEqual([0, true]);
});

test.concurrent('a closed terminal ends a recording, which says how to outlive it; under nohup it does not', async (ctx) => {
  if (noHost) return ctx.skip(noHost);
  const [plain, nohup, foreground, command] = await Promise.all([
    closeTerminal('plain', '', ''),
    closeTerminal('nohup', 'nohup', ''),
    closeTerminal('foreground', 'nohup', '', true),
    closeTerminal('command', 'nohup', '-- sleep 2.5'),
  ]);
  expect(plain).toMatch(/the terminal was closed, .*setsid kvmtrace record/);
  expect(plain).toContain('stopped by a signal');
  expect(nohup).toContain('the time is over');
  expect(foreground).toContain('the time is over');
  expect(command).toContain('the command ended');
  expect(command).not.toContain('SIGHUP');
});
