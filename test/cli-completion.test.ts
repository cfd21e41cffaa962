/** Completion scripts, asked by the shells themselves where they are installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/commands/main.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-completion-'));
const scripts: Record<string, string> = {};
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

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
    loadPipeline: () => Promise.reject(new Error('not to be used')),
  });
  return { status, out, err };
}

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, out } = await kvmtrace('completion', shell);
    expect(status).toBe(0);
    scripts[shell] = join(folder, `kvmtrace.${shell}`);
    writeFileSync(scripts[shell], out);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the shell offers for the last word of a command line. */
const ASK: Record<string, (words: string[]) => string[]> = {
  bash: (words) => {
    const code = `source ${scripts.bash}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvmtrace 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['-c', code, 'bash', ...words], { cwd: folder, encoding: 'utf8' });
    return stdout.split('\n').filter((line) => line !== '');
  },
  fish: (words) => {
    const code = `source ${scripts.fish}; complete -C "${words.join(' ')}"`;
    const { stdout } = spawnSync('fish', ['--no-config', '-c', code], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    });
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0]]));
  },
};

describe.each(Object.keys(ASK))('%s', (shell) => {
  test.skipIf(!has(shell))('offers commands, options, words and files where they go', () => {
    const ask = ASK[shell];
    expect(ask(['kvmtrace', '']).sort()).toEqual(
      ['completion', 'convert', 'diff', 'help', 'info', 'record', 'report'].sort(),
    );
    expect(ask(['kvmtrace', 'report', '--exc'])).toEqual(['--exclude']);
    expect(ask(['kvmtrace', 'diff', '--his'])).toEqual([]);
    expect(ask(['kvmtrace', 'report', '--format', 'perf'])).toEqual(['perfetto']);
    expect(ask(['kvmtrace', 'report', '--section', ''])).toEqual(expect.arrayContaining([...SECTION_IDS]));
    expect(ask(['kvmtrace', 'report', '--reason', 'EPT_V'])).toEqual(['EPT_VIOLATION']);
    expect(ask(['kvmtrace', 'completion', 'z'])).toEqual(['zsh']);
    expect(ask(['kvmtrace', 'report', 'kvmtrace.b'])).toEqual(['kvmtrace.bash']);
    expect(ask(['kvmtrace', 'report', '-o', 'kvmtrace.f'])).toEqual(['kvmtrace.fish']);
  });
});

test.skipIf(!has('bash'))('bash completes behind commas and equal signs', () => {
  expect(ASK.bash(['kvmtrace', 'report', '--by', 'vcpu,re'])).toEqual(['vcpu,reason']);
  expect(ASK.bash(['kvmtrace', 'report', '--format', '=', 'ht'])).toEqual(['html']);
  expect(ASK.bash(['kvmtrace', 'report', '--color', '='])).toEqual(['auto', 'always', 'never']);
});

test.skipIf(!has('zsh'))('zsh takes its script and offers what belongs there', () => {
  // A terminal of its own: zsh completes only where somebody types.
  const code = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= ; stty -echo; cd ${folder}; autoload -Uz compinit; compinit -u -D; source ${scripts.zsh}; kvmtrace() { : }; print READY"
sleep 1
zpty -w -n z $'kvmtrace $1\\t'
sleep 1
zpty -w -n z $'\\C-u'
zpty -r z REPLY '*READY*'
zpty -r -t z REPLY; print -r -- "$REPLY"
while zpty -r -t z REPLY; do print -r -- "$REPLY"; done`;
  const ask = (words: string) =>
    spawnSync('zsh', ['-f', '-c', code.replace('$1', words)], { encoding: 'utf8', timeout: 20_000 }).stdout;
  expect(spawnSync('zsh', ['-n', scripts.zsh], { encoding: 'utf8' }).stderr).toBe('');
  expect(ask('rep')).toContain('ort');
  expect(ask('report --excl')).toContain('ude');
  expect(ask('zzz')).not.toMatch(/ort|ude/);
});

describe('mistakes', () => {
  test.each([
    [['reprot', 'x'], 'Did you mean report?'],
    [['dif'], 'Did you mean diff?'],
    [['report', '--resaon', 'hlt', 'x'], 'Did you mean --reason?'],
    [['diff', '--fail-an', 'x'], 'Did you mean --fail-on?'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [['diff', 'a'], "missing required argument 'after'"],
    [['diff', 'a', 'b', '--format', 'pdf'], 'Known: text, html, md, json, csv.'],
    [['diff', 'a', 'b', '--fail-on', 'p99>20us'], "such as 'cost>5%'"],
    [['diff', 'a', 'b', '--fail-on', '-7:p99>20%'], 'A name as kernel or tools print it'],
    [['diff', '-', '-'], 'one of the recordings'],
  ])('%j', async (args, hint) => {
    const { status, out, err } = await kvmtrace(...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(hint);
    expect(err).not.toContain('    at ');
  });
});
