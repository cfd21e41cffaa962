#!/usr/bin/env node
/**
 * Mutates real captures and reports on them: whatever comes in, a report or a TraceFormatError must come out, within
 * bounded time and memory, and exits must add up.
 *
 *   node tools/fuzz.mjs [--seconds 60] [--seed N] [--only TEXT] [--dir samples] [--keep FOLDER]
 *
 * Needs a build (npm run build). A failing input is kept and named with its seed.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { mutateBytes } from './fuzz/mutations.mjs';
import { generator } from './fuzz/random.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
    only: { type: 'string', default: '' },
    dir: { type: 'string', multiple: true, default: [resolve(import.meta.dirname, '../samples')] },
    keep: { type: 'string', default: tmpdir() },
  },
});
const { runReport, runInfo } = await import('../dist/commands/pipeline.js');
const { parseReportOptions } = await import('../dist/commands/report-options.js');
const { TraceFormatError } = await import('../dist/core/errors.js');

/** One mutation may take this long, ms; the largest sample takes a tenth of it. */
const MAX_MS = 10_000;
const MAX_RSS = 1024 << 20;
const MAX_BYTES = 2 << 20;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (!/\.(md|json)$/.test(name)) yield path;
  }
}

const inputs = values.dir
  .flatMap((folder) => [...files(folder)])
  .filter((path) => path.includes(values.only))
  .map((path) => {
    const bytes = readFileSync(path);
    return { path, bytes: bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes };
  })
  .filter(({ bytes }) => bytes.length <= MAX_BYTES);

function check(model) {
  const { quality } = model;
  const sum = quality.paired + quality.exitWithoutEntry + quality.openAtEnd + quality.invalidatedByLoss;
  if (quality.exits !== sum) throw new Error(`exits ${quality.exits} ≠ ${sum}`);
  const reasons = model.reasons.reduce((total, reason) => total + reason.exits, 0);
  if (reasons !== quality.exits) throw new Error(`reasons have ${reasons} exits of ${quality.exits}`);
  JSON.stringify(model, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
}

const OPTIONS = await parseReportOptions({});

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-fuzz-'));
const target = join(folder, 'input');
const random = generator(Number(values.seed));
const end = Date.now() + Number(values.seconds) * 1000;
// Memories of WebAssembly weigh nothing for the garbage collector: it would let a thousand of them lie.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
let cases = 0;
let refused = 0;
let failed = 0;
const seen = new Set();
while (Date.now() < end && inputs.length > 0) {
  const { path, bytes } = inputs[cases % inputs.length];
  const input = mutateBytes(bytes, random);
  writeFileSync(target, input);
  const start = performance.now();
  let problem = null;
  try {
    check(await runReport([target], OPTIONS));
    if (cases % 10 === 0) await runInfo(target, { traceEvents: null });
  } catch (error) {
    if (error instanceof TraceFormatError) refused++;
    else problem = error;
  }
  const ms = performance.now() - start;
  if (!problem && ms > MAX_MS) problem = new Error(`took ${Math.round(ms)} ms`);
  if (!problem && process.memoryUsage.rss() > MAX_RSS)
    problem = new Error(`${process.memoryUsage.rss() >> 20} MB in use`);
  if (cases % 100 === 0) collectGarbage();
  cases++;
  if (!problem) continue;
  failed++;
  const name = String(problem.stack ?? problem)
    .split('\n')
    .slice(0, 3)
    .join(' | ');
  if (seen.has(name)) continue;
  seen.add(name);
  const kept = join(values.keep, `kvmtrace-fuzz-${values.seed}-${cases}`);
  writeFileSync(kept, input);
  console.error(
    `${path} (case ${cases}, seed ${values.seed}, kept as ${kept}):\n  ${problem.stack ?? problem}`,
  );
}
rmSync(folder, { recursive: true });
console.log(
  `fuzz: ${cases} inputs (seed ${values.seed}), ${refused} refused, ${cases - refused - failed} reported, ${failed} failed`,
);
process.exitCode = failed > 0 ? 1 : 0;
