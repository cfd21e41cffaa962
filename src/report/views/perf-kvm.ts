/**
 * perf kvm stat report --event=vmexit|mmio|ioport|msr by perf's own rules (analysis/perf-kvm.ts), in the text layout of
 * perf 6.1 (with --stdio in 6.12). Different on purpose: a reason without a name shows its number where perf has
 * UNKNOWN, and arm64's exits that are no TRAP are kept apart from the classes whose numbers they share.
 */

import { exactToBigInt } from '../../analysis/exact-sum.ts';
import type { LedgerResult } from '../../analysis/ledger-result.ts';
import {
  K_A,
  K_B,
  K_C,
  K_EVENT,
  K_TID,
  PERF_IOPORT,
  PERF_MMIO,
  PERF_MSR,
  PERF_VMEXIT,
  type PerfKvmResult,
} from '../../analysis/perf-kvm.ts';
import { createTimeSums, mergeTimes, standardErrorPct, type TimeSums } from '../../analysis/time-sums.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { wordsToHex } from '../../core/words.ts';
import { selectsBy } from '../filters.ts';
import type { FilterKind, ReasonModel } from '../model.ts';
import { ascending } from '../order.ts';
import { reasonIdentity } from '../reason-identity.ts';
import type { SectionInput } from '../sections.ts';
import { notRecorded, unapplied, type View, type ViewOptions, withoutTimes } from './view.ts';

const TITLES = ['VM-EXIT', 'MMIO Access', 'IO Port Access', 'MSR Access'] as const;
const EVENTS = ['kvm_exit', 'kvm_mmio', 'kvm_pio', 'kvm_msr'] as const;
const NAME_WIDTH = 20;

/** As perf decodes a key. */
function nameOf(context: TraceContext, table: number, a: number, b: number, c: number): string {
  const address = wordsToHex(b >>> 0, c >>> 0);
  switch (table) {
    case PERF_MMIO:
      return `${address}:${a === 1 ? 'W' : 'R'}`;
    case PERF_IOPORT:
      return `${address}:${a === 1 ? 'POUT' : 'PIN'}`;
    case PERF_MSR:
      return `${address}:${a === 1 ? 'W' : 'R'}`;
    default:
      return reasonIdentity(context, a, b >>> 0).name;
  }
}

const keyOf = ({ isa, code, name }: Pick<ReasonModel, 'isa' | 'code' | 'name'>) => `${isa}:${code}:${name}`;

/** Filters that choose threads, times and CPUs; by reason only exits can be chosen. */
const APPLIED: readonly FilterKind[] = ['pid', 'tid', 'vcpu', 'cpu', 'time'];
const APPLIED_TO_EXITS: readonly FilterKind[] = [...APPLIED, 'reason'];

/** Reasons that --reason and --exclude leave; null: all, or rows that are no exits. */
function chosenReasons({ model }: SectionInput, table: number): ReadonlySet<string> | null {
  return selectsBy(model.selection, 'reason') && table === PERF_VMEXIT
    ? new Set(model.reasons.map(keyOf))
    : null;
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly index: number;
}

/** Rows of one table over the selected threads. */
function collect(
  context: TraceContext,
  result: PerfKvmResult,
  table: number,
  tids: ReadonlySet<number> | null,
  reasons: ReadonlySet<string> | null,
): { rows: Row[]; sums: TimeSums } {
  const sums = createTimeSums();
  const rows = new Map<string, Row>();
  for (let from = 0; from < result.rows; from++) {
    const key = (i: number) => result.keys[5 * from + i];
    if (key(K_EVENT) !== table || (tids !== null && !tids.has(key(K_TID)))) continue;
    const name = nameOf(context, table, key(K_A), key(K_B), key(K_C));
    const id = table === PERF_VMEXIT ? `${key(K_A)} ${name}` : name;
    if (reasons !== null && !reasons.has(keyOf(reasonIdentity(context, key(K_A), key(K_B) >>> 0)))) continue;
    const row = rows.get(id) ?? { id, name, index: rows.size };
    rows.set(id, row);
    mergeTimes(sums, row.index, result.sums, from);
  }
  return { rows: [...rows.values()], sums };
}

/** Two decimals as C's printf rounds them: exact halves (.125, .625) to the even digit, where toFixed goes up. */
function fixed2(value: number): string {
  const eighths = value * 8;
  return (Number.isInteger(eighths) && eighths % 4 === 1 ? value - 0.001 : value).toFixed(2);
}

const micros = (ns: number) => fixed2(ns / 1000);

function choosesThreads({ pids, tids, vcpus }: ViewOptions): boolean {
  return pids !== null || tids !== null || vcpus !== null;
}

/** Not only threads with exits that filters by reason and level leave, where the recording is no longer than the ledger counts. */
function chosenThreads({ model, analysis }: SectionInput): ReadonlySet<number> {
  const { rows, wallNs } = analysis.passes.ledger as LedgerResult;
  return new Set((wallNs === null ? model.vcpus : rows).map(({ tid }) => tid));
}

function render(table: number, input: SectionInput, options: ViewOptions): string {
  const { context, analysis } = input;
  const { pids, vcpus } = options;
  const result = analysis.passes['perf-kvm'] as PerfKvmResult;
  const missing = withoutTimes(input);
  if (missing !== null) return missing;
  if (!result.seen[table] && !context.enabledEvents?.has(EVENTS[table])) return notRecorded(EVENTS[table]);
  const chosen = choosesThreads(options) ? chosenThreads(input) : null;
  const { rows, sums } = collect(context, result, table, chosen, chosenReasons(input, table));
  const count = rows.reduce((total, { index }) => total + sums.count[index], 0);
  const time = Number(rows.reduce((total, { index }) => total + exactToBigInt(sums.total, index), 0n));
  rows.sort(
    (a, b) => sums.count[b.index] - sums.count[a.index] || ascending(a.name, b.name) || ascending(a.id, b.id),
  );
  const whom = pids === null ? 'all VMs' : `pid(s) ${pids.join(',')}`;
  const which = vcpus === null ? 'all VCPUs' : `VCPU ${vcpus.join(',')}`;
  const titles = ['Samples', 'Samples%', 'Time%', 'Min Time', 'Max Time', 'Avg time'];
  const widths = [10, 9, 9, 11, 11, 16];
  const text = [
    '',
    '',
    `Analyze events for ${whom}, ${which}:`,
    '',
    `${TITLES[table].padStart(NAME_WIDTH)} ${titles.map((title, i) => `${title.padStart(widths[i])} `).join('')}`,
    '',
    ...rows.map(({ name, index }) => {
      const own = Number(exactToBigInt(sums.total, index));
      const cells = [
        String(sums.count[index]).padStart(10),
        `${fixed2((sums.count[index] / count) * 100).padStart(8)}%`,
        `${fixed2(time > 0 ? (own / time) * 100 : 0).padStart(8)}%`,
        `${micros(sums.min[index]).padStart(9)}us`,
        `${micros(sums.max[index]).padStart(9)}us`,
        `${micros(own / sums.count[index]).padStart(9)}us`,
        `( +-${fixed2(standardErrorPct(sums, index)).padStart(7)}% )`,
      ];
      return `${name.padStart(NAME_WIDTH)} ${cells.join(' ')}`;
    }),
    '',
    `Total Samples:${count}, Total events handled time:${micros(time)}us.`,
    '',
    ...(result.floor > 0
      ? [`(more rows than are kept: one that is missing has at most ${result.floor} samples)`]
      : []),
    ...unapplied(input, table === PERF_VMEXIT ? APPLIED_TO_EXITS : APPLIED),
  ];
  return `${text.join('\n')}\n`;
}

function perfKvmView(name: string, tool: string, table: number): View {
  return {
    name,
    tool,
    by: () => [],
    passes: (options) => [
      { name: 'perf-kvm', options: null },
      ...(choosesThreads(options) ? [{ name: 'ledger', options: null }] : []),
    ],
    render: (input, options) => render(table, input, options),
  };
}

export const perfKvmViews: readonly View[] = [
  perfKvmView('perf-kvm', 'perf kvm stat report', PERF_VMEXIT),
  perfKvmView('perf-kvm-mmio', 'perf kvm stat report --event=mmio', PERF_MMIO),
  perfKvmView('perf-kvm-ioport', 'perf kvm stat report --event=ioport', PERF_IOPORT),
  perfKvmView('perf-kvm-msr', 'perf kvm stat report --event=msr', PERF_MSR),
];
