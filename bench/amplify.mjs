#!/usr/bin/env node
// Makes a capture of any size from a small real one: the same events again and again, each time later, in a file the
// reference tools (perf, trace-cmd, QEMU's decoder) still accept. See README.md.

import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { isFtraceText, planFtraceText } from './amplify/ftrace-text.mjs';
import { isPerfData, planPerfData } from './amplify/perf-data.mjs';
import { isSimpletrace, planSimpletrace } from './amplify/simpletrace.mjs';
import { periodOf, UnsuitableSample } from './amplify/template.mjs';
import { convertToZstd, isTraceDat, planTraceDat } from './amplify/trace-dat.mjs';

const USAGE = `Usage: node bench/amplify.mjs SAMPLE -o OUT (--size 1G | --events 7000000 | --copies N) [--zstd] [--json]

SAMPLE is a perf.data (file mode, not -z), a trace.dat (v6, or v7 uncompressed; one buffer), a trace_pipe log
or a simpletrace v4 file; may be gzipped. The sample is held in memory, the output is not.
--zstd   trace.dat only: let trace-cmd convert the result to v7 with zstd`;

/** The base is held in memory; what is larger is no small sample. */
const LARGEST_BASE = 512 * 1024 * 1024;

const PLANNERS = [
  { is: isPerfData, plan: planPerfData },
  { is: isTraceDat, plan: planTraceDat },
  { is: isSimpletrace, plan: planSimpletrace },
  { is: isFtraceText, plan: planFtraceText },
];

/** @typedef {{ size?: number | undefined, events?: number | undefined, copies?: number | undefined }} Target */

/**
 * @param {string} input
 * @param {string} output
 * @param {Target & { zstd?: boolean | undefined }} target
 * @returns {{ format: string, copies: number, periodNs: string, baseEvents: number, events: number, bytes: number,
 *   firstNs: string, lastNs: string }}
 */
export function amplify(input, output, target) {
  const plan = planOf(input);
  const copies = copiesFor(plan, target);
  const periodNs = periodOf(plan);
  if (target.zstd && !plan.format.startsWith('trace.dat'))
    throw new UnsuitableSample('--zstd is for trace.dat only');
  const plain = target.zstd ? `${output}.plain.tmp` : output;
  const fd = openSync(plain, 'w');
  try {
    plan.write(fd, copies, periodNs);
  } finally {
    closeSync(fd);
  }
  if (target.zstd) convertToZstd(plain, output);
  return {
    format: plan.format,
    copies,
    periodNs: String(periodNs),
    baseEvents: plan.events,
    events: plan.events * copies,
    bytes: statSync(output).size,
    firstNs: String(plan.firstNs),
    lastNs: String(plan.lastNs + periodNs * BigInt(copies - 1)),
  };
}

/** What the sample is, and how it would be repeated.
 * @param {string} input */
export function planOf(input) {
  if (statSync(input).size > LARGEST_BASE)
    throw new UnsuitableSample(`${input} is too large for a base sample`);
  let bytes = readFileSync(input);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes, { maxOutputLength: LARGEST_BASE });
  const planner = PLANNERS.find(({ is }) => is(bytes.subarray(0, 65536)));
  if (!planner) throw new UnsuitableSample('neither perf.data, trace.dat, trace_pipe text nor simpletrace');
  return planner.plan(bytes);
}

/** @param {import('./amplify/template.mjs').Plan} plan @param {Target} target */
function copiesFor(plan, target) {
  if (target.copies) return target.copies;
  if (target.events) return Math.ceil(target.events / plan.events);
  if (target.size) return Math.max(1, Math.round((target.size - plan.fixedBytes) / plan.copyBytes));
  throw new UnsuitableSample('say how much: --size, --events or --copies');
}

/** "1.5G" → bytes (binary units), "7e6" → 7000000.
 * @param {string | undefined} text
 */
export function parseAmount(text) {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*([KMG]?)i?B?$/i.exec(text);
  const value = match ? Number(match[1]) * 1024 ** ['', 'K', 'M', 'G'].indexOf(match[2].toUpperCase()) : 0;
  if (!(value >= 1)) throw new UnsuitableSample(`not an amount: ${text}`);
  return Math.round(value);
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o' },
      size: { type: 'string' },
      events: { type: 'string' },
      copies: { type: 'string' },
      zstd: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length !== 1 || !values.output) {
    (values.help ? process.stdout : process.stderr).write(`${USAGE}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const done = amplify(positionals[0], values.output, {
    size: parseAmount(values.size),
    events: parseAmount(values.events),
    copies: parseAmount(values.copies),
    zstd: values.zstd,
  });
  if (values.json) process.stdout.write(`${JSON.stringify(done)}\n`);
  else
    process.stdout.write(
      `${values.output}: ${done.copies} copies, ${done.events} events, ${done.bytes} bytes\n`,
    );
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  try {
    main();
  } catch (error) {
    const ofTheSystem = error instanceof Error && 'syscall' in error;
    if (!(error instanceof UnsuitableSample) && !ofTheSystem) throw error;
    process.stderr.write(`amplify: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 2;
  }
}
