/**
 * The report model as JSON, keys as they are (docs/json.md). Integers are written digit by digit (a BigInt does
 * not lose any), unknown values are null, the order of keys is fixed and does not depend on how the model was built.
 */

import { DIFF_KEY_ORDER } from './diff/key-order.ts';
import type { DiffModel } from './diff/model.ts';
import { jsonString } from './escape.ts';
import { byCount } from './event-order.ts';
import type { InfoModel } from './info-model.ts';
import type { ReportModel } from './model.ts';
import {
  ESCALATED_REASON_KEYS,
  GROUP_KEYS,
  LEVEL_KEYS,
  REASON_ID_KEYS,
  REASON_KEYS,
  SLOW_KEYS,
  TOTAL_KEYS,
  USERSPACE_REASON_KEYS,
  VCPU_KEYS,
} from './row-keys.ts';

/** Keys of each object of the contract in their order; the path of an array's elements ends in []. Others follow, sorted. */
const KEY_ORDER: Readonly<Record<string, readonly string[]>> = {
  '': [
    'schema',
    'schemaVersion',
    'tool',
    'before',
    'after',
    'method',
    'capture',
    'selection',
    'quality',
    'vcpus',
    'by',
    'reasons',
    'totals',
    'busyTotals',
    'escalation',
    'slow',
    'slowSelection',
    'notes',
  ],
  tool: ['name', 'version'],
  capture: [
    'sources',
    'arch',
    'isa',
    'kernel',
    'host',
    'cpuModel',
    'clock',
    'timeIsNs',
    'timeResolutionNs',
    'firstNs',
    'lastNs',
    'durationNs',
    'events',
    'lost',
    'facts',
  ],
  'capture.sources[]': ['path', 'format', 'bytes', 'sha256'],
  'capture.lost': ['events', 'regions', 'uncountedRegions', 'affectedNs', 'affectedPct'],
  selection: ['filters', 'kinds'],
  quality: [
    'exits',
    'entries',
    'paired',
    'exitWithoutEntry',
    'entryWithoutExit',
    'openAtEnd',
    'invalidatedByLoss',
    'negativeLatency',
    'warnings',
  ],
  'quality.warnings[]': ['code', 'severity', 'message', 'count'],
  'vcpus[]': VCPU_KEYS,
  'reasons[]': [...GROUP_KEYS, ...REASON_ID_KEYS, ...REASON_KEYS, 'levels', 'histogram'],
  'reasons[].levels': LEVEL_KEYS,
  'reasons[].histogram[]': ['loNs', 'hiNs', 'count'],
  totals: TOTAL_KEYS,
  busyTotals: TOTAL_KEYS,
  escalation: [
    'known',
    'unknownBecause',
    'gap',
    'exits',
    'escalated',
    'ratio',
    'restarts',
    'errors',
    'kernelNs',
    'userspaceNs',
    'byReason',
    'byUserspaceReason',
  ],
  'escalation.byReason[]': ESCALATED_REASON_KEYS,
  'escalation.byUserspaceReason[]': USERSPACE_REASON_KEYS,
  'slow[]': SLOW_KEYS,
  slowSelection: ['thanNs', 'includesIdle', 'qualified', 'limit'],
  enabledEvents: [],
  'threads[]': ['tid', 'pid', 'comm', 'vcpu', 'vm', 'events', 'exits'],
  'warnings[]': ['code', 'severity', 'message', 'count'],
  ...DIFF_KEY_ORDER,
};

/** Objects whose keys are data: most frequent event first, facts as the file states them (decimal numbers first). */
const DATA_KEYED = new Set(['capture.events', 'capture.facts']);

/** A model as JSON text in pieces, the last one ending in a newline. */
export function* renderJson(model: ReportModel | InfoModel | DiffModel): Generator<string> {
  yield* write(model, '', '');
  yield '\n';
}

export const render = (model: ReportModel): Iterable<string> => renderJson(model);

type Plain = Record<string, unknown>;

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function orderedKeys(value: Plain, path: string): string[] {
  const present = Object.keys(value).filter((key) => value[key] !== undefined);
  if (path === 'capture.events') return byCount(value as Record<string, number>).map(([name]) => name);
  if (DATA_KEYED.has(path)) return present;
  const known = KEY_ORDER[path] ?? [];
  return [
    ...known.filter((key) => value[key] !== undefined),
    ...present.filter((key) => !known.includes(key)).sort(),
  ];
}

function scalar(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return jsonString(value);
    case 'bigint':
      return value.toString();
    case 'number':
      // 1e21 and beyond would print with an exponent, NaN and Infinity have no JSON.
      if (!Number.isFinite(value)) return 'null';
      return Number.isInteger(value) && Math.abs(value) >= 1e21 ? BigInt(value).toString() : String(value);
    case 'boolean':
      return String(value);
    default:
      return 'null';
  }
}

/** On one line: rows of lists and small objects, so that two reports can be compared line by line. */
function inline(value: unknown, path: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => inline(item, `${path}[]`)).join(', ')}]`;
  if (!isPlain(value)) return scalar(value);
  const entries = orderedKeys(value, path).map(
    (key) => `${jsonString(key)}: ${inline(value[key], path ? `${path}.${key}` : key)}`,
  );
  return entries.length ? `{ ${entries.join(', ')} }` : '{}';
}

function* write(value: unknown, path: string, indent: string): Generator<string> {
  const inner = `${indent}  `;
  if (Array.isArray(value) && value.some(isPlain)) {
    let lead = '[\n';
    for (const item of value) {
      yield `${lead}${inner}${inline(item, `${path}[]`)}`;
      lead = ',\n';
    }
    yield `\n${indent}]`;
  } else if (isPlain(value) && expands(value, path)) {
    let lead = '{\n';
    for (const key of orderedKeys(value, path)) {
      yield `${lead}${inner}${jsonString(key)}: `;
      yield* write(value[key], path ? `${path}.${key}` : key, inner);
      lead = ',\n';
    }
    yield `\n${indent}}`;
  } else yield inline(value, path);
}

function expands(value: Plain, path: string): boolean {
  if (Object.keys(value).length === 0) return false;
  return (
    path === '' ||
    DATA_KEYED.has(path) ||
    Object.values(value).some((item) => typeof item === 'object' && item !== null)
  );
}
