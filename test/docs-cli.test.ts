/** docs/cli.md, the man page and docs/advice.md are what the commands and rules say now. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { commandTree } from '../src/commands/command-tree.ts';
import { createProgram } from '../src/commands/program.ts';
import { SECTION_IDS, SECTION_WORDS } from '../src/report/section-ids.ts';
import { ensureBuilt } from './support/built.ts';
import { REPO } from './support/corpus.ts';

const silent = { write: () => true } as unknown as NodeJS.WritableStream;
const root = commandTree(
  createProgram(
    { stdout: silent, stderr: silent, env: {}, loadPipeline: () => Promise.reject(new Error()) },
    () => {},
  ),
);
const read = (name: string) => readFileSync(join(REPO, name), 'utf8');

beforeAll(ensureBuilt);

test('they are not out of date (npm run docs)', () => {
  const run = spawnSync(process.execPath, ['tools/generate-cli-docs.mjs', '--check'], {
    cwd: REPO,
    encoding: 'utf8',
  });
  expect([run.status, run.stderr]).toEqual([0, '']);
});

test('every command and option is in both', () => {
  expect(root.commands.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['report', 'diff', 'info', 'convert', 'record', 'completion']),
  );
  const [markdown, man] = [read('docs/cli.md'), read('docs/man/kvmtrace.1')];
  for (const command of root.commands) {
    expect(markdown).toContain(`## kvmtrace ${command.name}`);
    for (const { long } of [...command.options, ...root.options]) {
      expect(markdown).toContain(long);
      expect(man).toContain(long.replaceAll('-', '\\-'));
    }
  }
});

test('what each section shows is in the help and in both', () => {
  const { notes } = root.commands.find(({ name }) => name === 'report')!;
  const texts = [notes, read('docs/cli.md'), read('docs/man/kvmtrace.1').replaceAll('\\-', '-')];
  for (const id of SECTION_IDS)
    for (const text of texts) expect(text).toContain(`  ${id.padEnd(14)}${SECTION_WORDS[id]}`);
  for (const line of notes.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

test('every command begins its help with examples, each of which is a command line of it', () => {
  for (const { name, examples } of root.commands) {
    const lines = examples.split('\n').slice(1);
    expect(lines.length, name).toBeGreaterThan(1);
    for (const line of lines) expect(line, name).toContain(`kvmtrace ${name}`);
  }
});

test('man reads its page without a complaint', () => {
  const run = spawnSync('groff', ['-man', '-ww', '-Tascii', join(REPO, 'docs/man/kvmtrace.1')], {
    encoding: 'utf8',
  });
  if (run.error) return;
  expect([run.status, run.stderr]).toEqual([0, '']);
  expect(run.stdout).toContain('--fail-on');
});
