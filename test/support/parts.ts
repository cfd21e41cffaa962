/** Analyses in one pass and in parts, as plain data that can be compared whatever the order of their rows. */
import {
  type AnalysisOptions,
  type AnalysisResult,
  analyzeBatch,
  createAnalysis,
  finishAnalysis,
} from '../../src/analysis/analyze.ts';
import {
  analyzePart,
  createAnalysisPart,
  endPart,
  finishAnalysisParts,
  mergeParts,
} from '../../src/analysis/analyze-parts.ts';
import type { ExitBatch } from '../../src/analysis/exit-batch.ts';
import { KEY_INTS } from '../../src/analysis/groups.ts';
import { packPart, unpackPart } from '../../src/analysis/part-transfer.ts';
import { loadPasses, PASS_NAMES } from '../../src/analysis/passes.ts';
import { createArena } from '../../src/core/arena.ts';
import { copyRows, createArenaBatch, type EventBatch } from '../../src/core/event-batch.ts';
import type { ThreadTable } from '../../src/core/thread-table.ts';
import { sliceBatch } from './events.ts';

const passOf = await loadPasses(PASS_NAMES.map((name) => ({ name, options: null })));

const NO_GROUPING = { pid: false, tid: false, vcpu: false, cpu: false, level: false };

/** Options of every pass: a new one needs a line here. */
export const PASS_OPTIONS: Readonly<Record<string, unknown>> = {
  accesses: null,
  context: { slowLimit: 50, thanNs: 0, includeIdle: true },
  detail: { capacity: 8192 },
  'halt-polling': null,
  heatmap: {},
  'host-vectors': null,
  hotspots: { capacity: 65536 },
  intervals: { widthNs: null, limit: 64, grouping: NO_GROUPING },
  ledger: null,
  nested: null,
  'perf-kvm': null,
  'perf-prof': { intervalNs: 10_000_000, perThread: true },
  qemu: null,
  'qemu-check': null,
  'qemu-slices': null,
  slices: null,
  storms: {},
  'userspace-events': null,
};

const OPTIONS: AnalysisOptions = {
  selection: null,
  grouping: NO_GROUPING,
  slowLimit: 100,
  slowThanNs: 0,
  slowIncludeIdle: true,
  passes: PASS_NAMES.map((name) => ({ name, options: PASS_OPTIONS[name] })),
};

/** `cuts`: rows before which a new part begins, ascending; `step`: rows of a batch. */
export function analyzeInParts(
  events: EventBatch,
  threads: ThreadTable | null,
  cuts: readonly number[],
  step: number,
): unknown {
  const start = [events.time[0], events.time[1]] as const;
  const edges = [0, ...cuts, events.length];
  const parts = edges.slice(1).map((to, i) => {
    const arena = createArena();
    const part = createAnalysisPart(threads, OPTIONS, passOf, i === 0 ? null : start, arena);
    const batch = createArenaBatch(arena, step);
    for (let at = edges[i]; at < to; at += step) {
      copyRows(events, at, batch, Math.min(to - at, step));
      analyzePart(part, batch);
    }
    endPart(part);
    // As another thread would send it.
    return i === 0 ? part : unpackPart(structuredClone(packPart(part, start)), threads, OPTIONS, passOf);
  });
  for (const next of parts.slice(1)) mergeParts(parts[0], next);
  return plainResult(finishAnalysisParts(parts[0]));
}

export function analyzeAtOnce(events: EventBatch, threads: ThreadTable | null, step: number): unknown {
  const analysis = createAnalysis(threads, OPTIONS, passOf);
  for (let at = 0; at < events.length; at += step)
    analyzeBatch(analysis, sliceBatch(events, at, Math.min(events.length, at + step)));
  return plainResult(finishAnalysis(analysis));
}

// biome-ignore lint/suspicious/noExplicitAny: any result
type Any = any;

function plainResult(result: AnalysisResult): Record<string, unknown> {
  const { summary, stats, quantiles, histograms, threads, userspace, slow, states, entries, passes } = result;
  const { groups, capacity: _capacity, ...columns } = stats as Any;
  return {
    summary: plain({ ...summary, cpuLast: summary.cpuLast.filter((_, i) => summary.cpuState[i >> 1] > 0) }),
    groups: sorted(
      Array.from({ length: groups.count }, (_, group) => ({
        key: plain(groups.keys.slice(group * KEY_INTS, (group + 1) * KEY_INTS)),
        ...rowOf(columns, group, capacityOf(stats)),
        quantiles: plain(quantiles[group]),
        histogram: plain(histograms[group]),
      })),
    ),
    all: plain(quantiles.slice(groups.count)),
    threads: sorted(
      Array.from({ length: threads.count }, (_, slot) => rowOf(threads, slot, threads.exits.length)).filter(
        ({ exits }: Any) => exits[0] > 0,
      ),
    ),
    userspace: plain(userspace),
    slow: exitRows(slow.rows),
    qualified: slow.qualified,
    states: plain(states),
    entries,
    ...Object.fromEntries(Object.entries(passes).map(([name, value]) => [name, plainPass(name, value)])),
  };
}

const capacityOf = (stats: Any): number => stats.exits.length;

/** One row of parallel columns; columns with several values per row are cut accordingly. */
function rowOf(columns: Any, row: number, rows: number): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(columns)
      .filter(([, column]) => ArrayBuffer.isView(column))
      .map(([name, column]) => {
        const each = (column as Float64Array).length / rows;
        return [name, Array.from((column as Float64Array).slice(row * each, (row + 1) * each))];
      }),
  );
}

function exitRows(batch: ExitBatch): unknown[] {
  return Array.from({ length: batch.length }, (_, row) => {
    // The number of a thread is nobody's business.
    const { thread: _thread, ...cells } = rowOf(batch, row, batch.capacity);
    // Words that mean nothing in this row may hold anything.
    if (cells.userspaceExits[0] === 0)
      for (const name of ['userspaceCode', 'kernelNs', 'userspaceNs']) delete cells[name];
    if (cells.detailEvent[0] === 0) for (const name of ['detailCode', 'detailAddress']) delete cells[name];
    if (cells.hasRip[0] === 0) delete cells.rip;
    return cells;
  });
}

function eventRows(batch: EventBatch): unknown[] {
  return Array.from({ length: batch.length }, (_, row) => rowOf(batch, row, batch.capacity));
}

/** Tables of keys with columns beside them. */
function table(keys: Int32Array, keyInts: number, rows: number, ...columns: readonly Any[]): unknown[] {
  return sorted(
    Array.from({ length: rows }, (_, row) => ({
      key: Array.from(keys.slice(row * keyInts, (row + 1) * keyInts)),
      columns: columns.map((column) =>
        ArrayBuffer.isView(column) ? (column as Float64Array)[row] : rowOf(column, row, sizeOf(column)),
      ),
    })),
  );
}

const sizeOf = (column: Any): number => column.capacity ?? (column.exits ?? column.count).length;

const exitTable = ({ keys, keyInts, rows, sums, missed, all, floor }: Any) => ({
  floor,
  all: rowOf(all, 0, sizeOf(all)),
  rows: table(keys, keyInts, rows, sums, missed),
});
const exitTables = (result: Any) =>
  Object.fromEntries(Object.entries(result).map(([name, value]) => [name, exitTable(value)]));
const ACCESS_INTS: Readonly<Record<string, number>> = { accesses: 4, ioeventfds: 3, regions: 3, eois: 2 };

const PLAIN: Readonly<Record<string, (result: Any) => unknown>> = {
  accesses: (result) =>
    Object.entries(result).map(([name, { keys, rows, counts, missed, floor }]: Any) => [
      name,
      floor,
      table(keys, ACCESS_INTS[name], rows, counts, missed),
    ]),
  // In order: the list promises one.
  context: ({ rows, ...rest }) => ({
    ...rest,
    rows: rows.map(({ events, ...row }: Any) => ({ ...row, events: eventRows(events) })),
  }),
  detail: exitTables,
  hotspots: exitTables,
  'host-vectors': exitTable,
  intervals: ({ keys, group, ...rest }) => ({
    ...(plain(rest) as object),
    group: Array.from(group as Int32Array, (g) => Array.from(keys.slice(g * KEY_INTS, (g + 1) * KEY_INTS))),
  }),
  'perf-kvm': ({ rows, keys, sums, floor, seen }) => ({
    floor,
    seen: plain(seen),
    rows: table(keys, 5, rows, sums),
  }),
};

/** Which exits come late, and so make no beats, depends on the cuts. */
export function withoutLate(whole: Any, parts: Any): readonly [unknown, unknown] {
  if (whole.storms.periodic.late === 0 && parts.storms.periodic.late === 0) return [whole, parts];
  const cut = (result: Any) => ({ ...result, storms: { ...result.storms, periodic: null } });
  return [cut(whole), cut(parts)];
}

const plainPass = (name: string, result: unknown) => (PLAIN[name] ?? plain)(result);

/** Typed arrays and BigInts as JSON can hold them; lists of objects in an order of their own. */
function plain(value: Any): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, plain);
  if (Array.isArray(value)) return sorted(value.map(plain));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}

function sorted(list: unknown[]): unknown[] {
  if (typeof list[0] !== 'object') return list;
  return list
    .map((entry) => [JSON.stringify(entry), entry] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, entry]) => entry);
}
