#!/usr/bin/env node
// kvmtrace beside the tools people use today, on the same files: whole processes, alternating runs, medians.
// See README.md for what is measured and how to read it.

import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { UnsuitableSample } from './amplify/template.mjs';
import { amplify } from './amplify.mjs';
import { baseSample, REPO } from './run/bases.mjs';
import { CLI, datasets, installed } from './run/contenders.mjs';
import { writeDocs } from './run/docs.mjs';
import { hasGnuTime, measure, median } from './run/measure.mjs';
import { textTable } from './run/table.mjs';

const USAGE = `Usage: npm run bench -- [options]

  --sizes 0.1,1      sizes of the files in GB (default 0.1; zstd: size before compression)
  --events 7000000   instead of sizes: this many events in every file
  --runs 3           alternating runs of each command (default 3)
  --budget 20        stop repeating a command after this many seconds of it (default 20)
  --only TEXT        only files whose kind contains TEXT (perf, v6, zstd, text, simple, arrow, start)
  --qemu-scripts DIR QEMU's scripts folder with simpletrace.py (or $QEMU_SCRIPTS)
  --trace-events F   trace-events-all of the build the simpletrace sample is from
  --write-docs       put the table into docs/performance.md
  --keep             leave the built files in bench/data`;

const DATA = path.join(REPO, 'bench/data');

/** @typedef {import('./run/table.mjs').Row} Row */

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '0.1' },
    events: { type: 'string' },
    runs: { type: 'string', default: '3' },
    budget: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    'qemu-scripts': { type: 'string', default: process.env.QEMU_SCRIPTS ?? '' },
    'trace-events': {
      type: 'string',
      default: path.resolve(REPO, '../shared/corpus/qemu/trace-events-all.gz'),
    },
    'write-docs': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

if (options.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}

mkdirSync(DATA, { recursive: true });
const found = installed({ script: qemuScript(), events: traceEvents() });
const skipped = new Set();
const failed = new Set();
for (const [tool, version] of Object.entries(found.versions))
  if (version === null) skip(tool, 'not found, or does not run');
if (!hasGnuTime) skip('CPU time', 'no /usr/bin/time; peak memory is polled from /proc');

/** @type {Row[]} */
const rows = [];
if ('start'.includes(options.only)) rows.push(...(await start()));
for (const target of targets()) {
  for (const dataset of datasets(found)) {
    if (dataset.kind.includes(options.only)) rows.push(...(await benchmark(dataset, target)));
  }
}

const machine = {
  cpu: os.cpus()[0]?.model ?? 'unknown',
  cores: os.availableParallelism(),
  memoryGb: Math.round(os.totalmem() / 2 ** 30),
  kernel: `${os.type()} ${os.release()} ${os.arch()}`,
  date: new Date().toISOString().slice(0, 10),
};
const result = {
  schema: 'kvmtrace.bench',
  schemaVersion: 1,
  machine,
  versions: found.versions,
  skipped: [...skipped],
  failed: [...failed],
  rows,
};
writeFileSync(path.join(DATA, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`\n${textTable(rows)}\n`);
process.stdout.write(`${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${process.version}\n`);
for (const note of skipped) process.stdout.write(`SKIPPED ${note}\n`);
for (const note of failed) process.stdout.write(`FAILED ${note}\n`);
process.stdout.write('JSON: bench/data/results.json\n');
if (options['write-docs']) writeDocs(path.join(REPO, 'docs/performance.md'), result);

/** @returns {{ size?: number, events?: number, sizeGb: number }[]} */
function targets() {
  const events = options.events === undefined ? 0 : Number(options.events);
  if (!(events >= 0)) usageError(`--events wants a number, not ${options.events}`);
  if (events) return [{ events, sizeGb: 0 }];
  return options.sizes.split(',').map((text) => {
    const sizeGb = Number(text);
    if (!(sizeGb > 0)) usageError(`--sizes wants GB like 0.1,1, not ${text}`);
    return { size: sizeGb * 1e9, sizeGb };
  });
}

/**
 * @param {import('./run/contenders.mjs').Dataset} dataset
 * @param {{ size?: number, events?: number, sizeGb: number }} target
 * @returns {Promise<Row[]>}
 */
async function benchmark(dataset, { sizeGb, ...target }) {
  const scratch = path.join(DATA, `${dataset.kind.replaceAll(/\W+/g, '-')}-${process.pid}`);
  const name = `${dataset.kind} ${sizeGb ? `${sizeGb} GB` : `${target.events} events`}`;
  const base = baseSample(dataset.base);
  if (!base) {
    skip(name, `no sample of ${dataset.base} in ../shared/corpus or samples/`);
    return [];
  }
  mkdirSync(scratch, { recursive: true });
  try {
    say(`${name}: building from ${path.relative(REPO, base)}`);
    const raw = path.join(scratch, path.basename(base).replace(/\.gz$/, ''));
    const { events } = amplify(base, raw, { ...target, zstd: dataset.zstd });
    const file = dataset.capture ? await capture(raw, path.join(scratch, 'capture.arrow')) : raw;
    if (!file) {
      skip(name, 'kvmtrace convert does not work yet');
      return [];
    }
    return await alternate(dataset, file, { events, sizeGb, scratch });
  } catch (error) {
    if (!(error instanceof UnsuitableSample)) throw error;
    skip(name, error.message);
    return [];
  } finally {
    if (!options.keep) rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param {string} raw @param {string} file */
async function capture(raw, file) {
  if (!found.versions.kvmtrace) return undefined;
  const run = await measure([process.execPath, CLI, 'convert', raw, '-o', file]);
  rmSync(raw, { force: true });
  return run.status === 0 ? file : undefined;
}

/** Every command once, then every command again, …: what disturbs the machine disturbs all of them.
 * @param {import('./run/contenders.mjs').Dataset} dataset
 * @param {string} file
 * @param {{ events: number, sizeGb: number, scratch: string }} about
 */
async function alternate(dataset, file, { events, sizeGb, scratch }) {
  const bytes = statSync(file).size;
  const entries = dataset.contenders.map((contender) => ({
    contender,
    /** @type {import('./run/measure.mjs').Run[]} */
    runs: [],
    spentMs: 0,
    problem: found.versions[contender.tool] === null ? `${contender.tool} not installed` : null,
  }));
  await measure(['cat', file]); // into the page cache
  for (let round = 0; round < Number(options.runs); round++) {
    for (const entry of entries) {
      if (entry.problem || entry.spentMs > Number(options.budget) * 1000) continue;
      const { contender } = entry;
      const run = await measure(contender.argv(file, scratch), { keepStdout: contender.keepStdout ?? false });
      say(`  ${contender.name}: ${(run.wallMs / 1000).toFixed(2)} s, ${(run.peakKb / 1024).toFixed(0)} MB`);
      entry.spentMs += run.wallMs;
      entry.problem = problemOf(contender, run, events);
      run.stdout = '';
      entry.runs.push(run);
    }
  }
  for (const { contender, runs, problem } of entries) {
    if (!problem) continue;
    if (runs.length === 0) skip(`${dataset.kind}: ${contender.name}`, problem);
    else complain(`${dataset.kind}: ${contender.name}: ${problem}`);
  }
  const rows = entries.map(({ contender, runs, problem }) =>
    toRow(
      { kind: dataset.kind, sizeGb, bytes, events, command: contender.name, goal: contender.goal ?? null },
      runs,
      problem,
    ),
  );
  return withRatios(rows);
}

/** A fast wrong answer is no result.
 * @param {import('./run/contenders.mjs').Contender} contender
 * @param {import('./run/measure.mjs').Run} run
 * @param {number} events
 */
function problemOf(contender, run, events) {
  if (run.status !== 0) return `failed: ${reasonOf(run)}`;
  if (!contender.ours) return null;
  /** @type {Record<string, number>} */
  const counted = JSON.parse(run.stdout).capture?.events ?? {};
  const sum = Object.values(counted).reduce((a, b) => a + b, 0);
  return sum === events ? null : `counts ${sum} of ${events} events`;
}

/** First line of what it complained about, without the folders of this machine.
 * @param {import('./run/measure.mjs').Run} run */
function reasonOf(run) {
  return run.stderr.trim().split('\n')[0].replaceAll(`${REPO}/`, '') || `status ${run.status}`;
}

/** What every command pays before it reads anything. */
async function start() {
  const sample = baseSample('perf.data');
  const commands = [
    { command: 'node -e 0', tool: 'node', argv: [process.execPath, '-e', '0'], goal: 1.5 },
    {
      command: 'kvmtrace --version',
      tool: 'kvmtrace',
      argv: [process.execPath, CLI, '--version'],
      goal: null,
    },
    {
      command: 'kvmtrace report',
      tool: 'kvmtrace',
      argv: [process.execPath, CLI, 'report', sample ?? ''],
      goal: null,
    },
  ];
  const runs = commands.map(() => /** @type {import('./run/measure.mjs').Run[]} */ ([]));
  for (let round = 0; round < 2 * Number(options.runs) + 1; round++) {
    for (const [i, { argv, tool }] of commands.entries()) {
      if (found.versions[tool] !== null && argv.at(-1) !== '') runs[i].push(await measure(argv));
    }
  }
  const rows = commands.map(({ command, goal }, i) => {
    const failed = runs[i].find(({ status }) => status !== 0);
    const problem = runs[i].length === 0 ? 'not installed' : failed ? `failed: ${reasonOf(failed)}` : null;
    return toRow({ kind: 'start', sizeGb: 0, bytes: 0, events: 0, command, goal }, runs[i], problem);
  });
  const [node, version] = rows;
  if (node.wallMs && version.wallMs) node.ratio = version.wallMs / node.wallMs;
  return rows;
}

/**
 * @param {Pick<Row, 'kind' | 'sizeGb' | 'bytes' | 'events' | 'command' | 'goal'>} about
 * @param {import('./run/measure.mjs').Run[]} runs
 * @param {string | null} problem
 * @returns {Row}
 */
function toRow(about, runs, problem) {
  if (problem || runs.length === 0)
    return {
      ...about,
      wallMs: null,
      runsMs: [],
      cpuMs: null,
      peakKb: null,
      anonKb: null,
      ratio: null,
      problem,
    };
  const cpu = runs.map(({ cpuMs }) => cpuMs).filter((ms) => ms !== null);
  return {
    ...about,
    wallMs: median(runs.map(({ wallMs }) => wallMs)),
    runsMs: runs.map(({ wallMs }) => Math.round(wallMs)),
    cpuMs: cpu.length > 0 ? median(cpu) : null,
    peakKb: Math.max(...runs.map(({ peakKb }) => peakKb)),
    anonKb: Math.max(...runs.map(({ anonKb }) => anonKb)),
    ratio: null,
    problem: null,
  };
}

/** @param {Row[]} rows */
function withRatios(rows) {
  const ours = rows[0].wallMs;
  for (const row of rows.slice(1)) if (ours !== null && row.wallMs !== null) row.ratio = ours / row.wallMs;
  return rows;
}

function qemuScript() {
  const folder = options['qemu-scripts'];
  return folder ? path.join(folder, 'simpletrace.py') : undefined;
}

/** The decoder wants it unpacked. */
function traceEvents() {
  const file = options['trace-events'];
  if (!file.endsWith('.gz') || !existsSync(file)) return file;
  const plain = path.join(DATA, 'trace-events-all');
  writeFileSync(plain, gunzipSync(readFileSync(file)));
  return plain;
}

/** @param {string} what @param {string} why */
function skip(what, why) {
  const note = `${what}: ${why}`;
  if (!skipped.has(note)) say(`SKIPPED ${note}`);
  skipped.add(note);
}

/** @param {string} why @returns {never} */
function usageError(why) {
  process.stderr.write(`bench: ${why}\n\n${USAGE}\n`);
  process.exit(2);
}

/** A command that ran and was wrong: the whole benchmark has failed then.
 * @param {string} note */
function complain(note) {
  say(`FAILED ${note}`);
  failed.add(note);
  process.exitCode = 1;
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}
