#!/usr/bin/env node
/**
 * Mutates real captures, names and numbers above all, and runs every command, format, section and view on them: exit
 * status 0, or 2 with an error that is not internal; JSON that parses, no character that steers a terminal, no name
 * that becomes HTML, and the same report from a recording and from its capture.
 *
 *   node tools/fuzz-commands.mjs [--seconds 60] [--seed N] [--only TEXT] [--dir samples] [--keep FOLDER] [--cases N]
 *
 * Needs a build (npm run build). A failing input is kept and named with its seed and the command line.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync, gzipSync } from 'node:zlib';
import { checkOutput, compareReports } from './fuzz/check-output.mjs';
import { makeCapture } from './fuzz/made-capture.mjs';
import { MUTATIONS, NASTY_NAMES } from './fuzz/mutations.mjs';
import { generator, picker } from './fuzz/random.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
    only: { type: 'string', default: '' },
    dir: { type: 'string', multiple: true, default: [resolve(import.meta.dirname, '../samples')] },
    keep: { type: 'string', default: tmpdir() },
    cases: { type: 'string', default: 'Infinity' },
    'max-bytes': { type: 'string', default: '65536' },
    made: { type: 'string', default: '0.2' },
    mutation: { type: 'string', default: '' },
  },
});
const { run } = await import('../dist/commands/main.js');
const pipeline = await import('../dist/commands/pipeline.js');
const { SECTION_IDS } = await import('../dist/report/section-ids.js');
const { VIEW_NAMES } = await import('../dist/report/views/view-names.js');
const { csvTableNames } = await import('../dist/report/csv-tables.js');

const MAX_MS = 10_000;
const MAX_RSS = 1500 << 20;
const MAX_BYTES = Number(values['max-bytes']);

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (!/\.(md|json)$/.test(name)) yield path;
  }
}

/** The beginning of a text is a text; other formats are whole. */
function head(bytes) {
  if (bytes.length <= MAX_BYTES || bytes.subarray(0, 512).includes(0)) return bytes;
  return bytes.subarray(0, bytes.lastIndexOf(10, MAX_BYTES) + 1);
}

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-fuzz-'));
const place = (name) => join(folder, name);

async function kvmtrace(args) {
  const [stdout, errors] = [[], []];
  const into = (list) => ({
    write(chunk, done) {
      list.push(Buffer.from(chunk));
      done?.();
    },
  });
  const environment = {
    stdout: into(stdout),
    stderr: into(errors),
    env: {},
    loadPipeline: async () => pipeline,
  };
  const start = performance.now();
  const status = await run(args, environment);
  const ms = performance.now() - start;
  const text = Buffer.concat(stdout).toString('utf8');
  const stderr = Buffer.concat(errors).toString('utf8');
  const problem = (message) => Object.assign(new Error(message), { args, stderr });
  if (ms > MAX_MS) throw problem(`took ${Math.round(ms)} ms`);
  if (/internal error/.test(stderr)) throw problem(stderr);
  if (![0, 1, 2].includes(status)) throw problem(`status ${status}`);
  if (status === 2 && stderr === '') throw problem('an error without words');
  if (process.memoryUsage.rss() > MAX_RSS) {
    collectGarbage();
    if (process.memoryUsage.rss() > MAX_RSS) throw problem(`${process.memoryUsage.rss() >> 20} MB in use`);
  }
  try {
    if (!args.includes('convert')) checkOutput(text, formatOf(args));
    checkOutput(stderr, 'text');
  } catch (error) {
    throw problem(error.message);
  }
  return { status, text, stderr };
}

const formatOf = (args) => (args.includes('--format') ? args[args.indexOf('--format') + 1] : 'text');

const inputs = values.dir
  .flatMap((dir) => [...files(dir)])
  .filter((path) => path.includes(values.only))
  .map((path) => {
    const bytes = readFileSync(path);
    return { path, bytes: head(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes) };
  })
  .filter(({ bytes }) => bytes.length <= 600_000);
const traceEvents = resolve(import.meta.dirname, '../samples/qemu-simpletrace/trace-events-all.gz');

// Captures are inputs as well.
for (const input of [...inputs]) {
  writeFileSync(place('input'), input.bytes);
  const { status } = await kvmtrace(['convert', place('input'), '-o', place('made.arrow'), '-q']);
  if (status === 0 && !input.path.endsWith('.arrow'))
    inputs.push({ path: `${input.path}→arrow`, bytes: readFileSync(place('made.arrow')) });
}

const random = generator(Number(values.seed));
const { below, one, chance } = picker(random);
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** Options of a report that leave the same exits in it. */
function extras() {
  const list = [];
  if (chance(0.7))
    list.push('--section', SECTION_IDS.filter(() => chance(0.5)).join(',') || one(SECTION_IDS));
  if (chance(0.4))
    list.push(
      '--by',
      ['vm', 'vcpu', 'tid', 'cpu', 'level', 'reason'].filter(() => chance(0.4)).join(',') || 'vm',
    );
  if (chance(0.2)) list.push('--than', one(['1us', '100us', '0', '10s']));
  if (chance(0.2)) list.push('--interval', one(['1ms', '100ms', '1s', '1000s']));
  if (chance(0.2)) list.push('--from', one(['0', '1ms', '-1ms', '5s']));
  if (chance(0.1)) list.push('--vcpu', '0');
  if (chance(0.2)) list.push('--with-idle');
  if (chance(0.2)) list.push('--slow', one(['0', '1', '100']));
  return list;
}

const safeName = () => one(NASTY_NAMES).replaceAll('\0', '') || 'x';

async function oneCase(input, path) {
  const target = place('input');
  writeFileSync(target, input);
  const given = chance(0.3) || path.includes('simpletrace') ? ['--trace-events', traceEvents] : [];
  const options = extras();
  const json = await kvmtrace(['report', target, '--format', 'json', '--jobs', '1', ...given, ...options]);
  const made = await kvmtrace(['convert', target, '-o', place('made.arrow'), '-q', ...given]);
  if (json.status === 0 && made.status === 2 && !options.includes('--from'))
    throw Object.assign(new Error(`report reads it, convert does not: ${made.stderr}`), { args: options });
  const source = made.status === 0 && chance(0.3) ? place('made.arrow') : target;
  if (json.status === 0 && made.status === 0) {
    const again = await kvmtrace([
      'report',
      place('made.arrow'),
      '--format',
      'json',
      '--jobs',
      '1',
      ...options,
    ]);
    const problem = again.status === 0 ? compareReports(json.text, again.text) : again.stderr;
    if (problem) throw Object.assign(new Error(`capture: ${problem}`), { args: options });
  }
  const kind = below(10);
  const view = ['--view', one(VIEW_NAMES)];
  if (kind < 2)
    await kvmtrace([
      'report',
      source,
      '--format',
      one(['html', 'md', 'text', 'perfetto', 'folded', 'folded-counts']),
      ...given,
      ...options,
    ]);
  else if (kind < 3)
    await kvmtrace([
      'report',
      source,
      '--format',
      'csv',
      '--table',
      one(csvTableNames()),
      ...given,
      ...options,
    ]);
  else if (kind < 5)
    await kvmtrace([
      'report',
      source,
      '--redact',
      '--format',
      one(['html', 'md', 'text', 'json', 'csv', 'perfetto', 'folded']),
      ...given,
      ...options,
    ]);
  else if (kind < 6)
    await kvmtrace([
      'report',
      source,
      ...view,
      '--format',
      one(['text', 'json', 'html', 'md', 'csv']),
      ...given,
    ]);
  else if (kind < 7) await kvmtrace(['info', source, '--format', one(['text', 'json']), ...given]);
  else if (kind < 8) {
    writeFileSync(place('other'), one(inputs).bytes);
    const pair = chance(0.5) ? [source, place('other')] : [place('other'), source];
    await kvmtrace(['diff', ...pair, '--format', one(['text', 'json', 'md', 'html', 'csv']), ...given]);
  } else if (kind < 9)
    await kvmtrace([
      'report',
      source,
      one(['--reason', '--exclude', '--by', '--table', '--section', '--fail-on', '--view']),
      safeName(),
      ...given,
    ]);
  else
    await kvmtrace([
      'report',
      source,
      place('input'),
      '--format',
      one(['html', 'json', 'text']),
      ...given,
      ...options,
    ]);
  if (chance(0.1)) {
    const symbols = one([
      'ffffffff81000000 T NAME\nffffffff81000100 t NAME\n',
      '0 a NAME\nNAME T x\n',
      'NAME\n',
    ]).replaceAll('NAME', safeName());
    writeFileSync(place('symbols'), symbols, 'latin1');
    await kvmtrace([
      'report',
      source,
      '--guest-symbols',
      place('symbols'),
      '--format',
      one(['html', 'json', 'text', 'folded']),
    ]);
  }
  if (chance(0.1)) {
    const declarations = gunzipSync(readFileSync(traceEvents));
    const at = declarations.indexOf('kvm_');
    const part = one(MUTATIONS)(declarations.subarray(at, at + 20_000), random);
    writeFileSync(place('events'), part);
    await kvmtrace(['report', source, '--trace-events', place('events'), '--format', 'json']);
  }
  if (chance(0.05)) {
    writeFileSync(target, one([gzipSync, (bytes) => gzipSync(gzipSync(bytes))])(input));
    await kvmtrace(['report', target, '--format', 'json']);
  }
  return json.status === 0;
}

const end = Date.now() + Number(values.seconds) * 1000;
let cases = 0;
let refused = 0;
let failed = 0;
const seen = new Map();
while (Date.now() < end && cases < Number(values.cases) && inputs.length > 0) {
  const { path, bytes } = inputs[cases % inputs.length];
  const mutations = MUTATIONS.filter(({ name }) => name.includes(values.mutation));
  const made = values.made && chance(Number(values.made));
  if (made) makeCapture(place('drawn.arrow'), random);
  const input = made
    ? readFileSync(place('drawn.arrow'))
    : one(mutations)(chance(0.2) ? one(mutations)(bytes, random) : bytes, random);
  if (cases++ % 100 === 0) collectGarbage();
  try {
    if (!(await oneCase(input, made ? 'made' : path))) refused++;
  } catch (error) {
    failed++;
    const name = error.message.replace(/\d+/g, '0').slice(0, 120);
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (seen.get(name) > 1) continue;
    const kept = join(values.keep, `kvmtrace-fuzz-${values.seed}-${cases}`);
    writeFileSync(kept, input);
    console.error(
      `${made ? 'made' : path} (case ${cases}, kept as ${kept}): ${error.args?.join(' ')}\n  ${error.message.slice(0, 1500)}`,
    );
    if (!error.args) console.error(error.stack);
  }
}
rmSync(folder, { recursive: true });
for (const [name, count] of seen) if (count > 1) console.error(`${count} times: ${name}`);
console.log(`fuzz-commands: ${cases} inputs (seed ${values.seed}), ${refused} refused, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
