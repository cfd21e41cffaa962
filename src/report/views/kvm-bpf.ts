/**
 * KVM BPF Tools: count, time, hist and slower. L2 is what came from a nested guest; the tools' total of `time` starts
 * at 1 and so is one too many, and their L2 of `count` breaks on kernels that renamed the field: neither is imitated.
 */

import { exactToBigInt } from '../../analysis/exact-sum.ts';
import { groupKey } from '../../analysis/exit-stats.ts';
import { KEY_CODE, KEY_ISA, KEY_LEVEL } from '../../analysis/groups.ts';
import { ISA_NAMED } from '../../core/isa-codes.ts';
import { largest } from '../../core/lists.ts';
import { publicCode } from '../../isa/reason-code.ts';
import { reasonIdentity } from '../reason-identity.ts';
import { nestingGap } from '../recorded.ts';
import type { SectionInput } from '../sections.ts';
import { columns, lines, type View, withoutExits, withoutTimes } from './view.ts';

/** Reason and its figures at L1 (0) and L2 (1: handled by this host or reflected). */
interface LevelRow {
  readonly isa: number;
  readonly code: number;
  readonly exits: [number, number];
  readonly paired: [number, number];
  readonly totalNs: [bigint, bigint];
}

function levelRows({ analysis }: SectionInput): LevelRow[] {
  const { stats } = analysis;
  const rows = new Map<string, LevelRow>();
  for (let group = 0; group < stats.groups.count; group++) {
    const isa = groupKey(stats, group, KEY_ISA);
    const code = groupKey(stats, group, KEY_CODE);
    const level = groupKey(stats, group, KEY_LEVEL) === 0 ? 0 : 1;
    const id = `${isa}:${code}`;
    const row = rows.get(id) ?? { isa, code, exits: [0, 0], paired: [0, 0], totalNs: [0n, 0n] };
    rows.set(id, row);
    row.exits[level] += stats.exits[group];
    row.paired[level] += stats.paired[group];
    row.totalNs[level] += exactToBigInt(stats.total, group);
  }
  return [...rows.values()].sort((a, b) => a.isa - b.isa || a.code - b.code);
}

const nameOf = ({ context }: SectionInput, isa: number, code: number) =>
  reasonIdentity(context, isa, code >>> 0).name;

/** A reason that only its name is known of has no number; neither have exits of arm64 that are no trap. */
const numberOf = (isa: number, code: number) =>
  isa === ISA_NAMED || publicCode(isa, code >>> 0) === null ? '-' : String(code >>> 0);

const nameWidth = (names: readonly string[]) => -largest(names, 18, (name) => name.length);

function total(rows: readonly LevelRow[]): LevelRow {
  const sum: LevelRow = { isa: 0, code: 0, exits: [0, 0], paired: [0, 0], totalNs: [0n, 0n] };
  for (const row of rows)
    for (const level of [0, 1] as const) {
      sum.exits[level] += row.exits[level];
      sum.paired[level] += row.paired[level];
      sum.totalNs[level] += row.totalNs[level];
    }
  return sum;
}

/** Three digits as the tools have them; SVM's numbers from 0x400 on need more. */
const numberWidth = (numbers: readonly string[]) => largest(numbers, 3, (text) => text.length);

/** Why L2 has no figures; [] where it has. */
function nestingNote(input: SectionInput): string[] {
  const gap = nestingGap(input);
  return gap === null ? [] : [`Note: ${gap}`];
}

export const bpfCountView: View = {
  name: 'kvm-bpf-count',
  tool: 'kvm_vmexit_count.py',
  by: () => ['level', 'reason'],
  follows: ['level'],
  passes: () => [],
  render: (input) => {
    const missing = withoutExits(input);
    if (missing !== null) return missing;
    const rows = levelRows(input);
    const nesting = nestingNote(input);
    const widths = [
      numberWidth(rows.map(({ isa, code }) => numberOf(isa, code))),
      nameWidth(rows.map(({ isa, code }) => nameOf(input, isa, code))),
      8,
      8,
      8,
    ];
    const line = (number: string | number, name: string, { exits }: LevelRow) =>
      columns(widths, [number, name, exits[0] + exits[1], exits[0], nesting.length > 0 ? '-' : exits[1]]);
    return lines([
      columns(widths, ['', 'Exit reason', 'Total', 'L1', 'L2']),
      ...rows.map((row) => line(numberOf(row.isa, row.code), nameOf(input, row.isa, row.code), row)),
      line('', 'Total', total(rows)),
      ...nesting,
    ]);
  },
};

export const bpfTimeView: View = {
  name: 'kvm-bpf-time',
  tool: 'kvm_vmexit_time.py',
  by: () => ['level', 'reason'],
  follows: ['level'],
  passes: () => [],
  render: (input) => {
    const missing = withoutTimes(input);
    if (missing !== null) return missing;
    const rows = levelRows(input);
    const nesting = nestingNote(input);
    const width = nameWidth(rows.map(({ isa, code }) => nameOf(input, isa, code)));
    const cell = (count: number, ns: bigint) => {
      const average = count === 0 ? 0n : ns / BigInt(count);
      return `${String(count).padStart(8)} (${String(average).padStart(8)})`;
    };
    const number = numberWidth(rows.map(({ isa, code }) => numberOf(isa, code)));
    const line = (code: string | number, name: string, { paired, totalNs }: LevelRow) =>
      columns(
        [number, width, 19, 19, 19],
        [
          code,
          name,
          cell(paired[0] + paired[1], totalNs[0] + totalNs[1]),
          cell(paired[0], totalNs[0]),
          nesting.length > 0 ? '-'.padStart(8).padEnd(19) : cell(paired[1], totalNs[1]),
        ],
      );
    return lines([
      `${' '.repeat(number)} ${'Exit reason'.padEnd(-width)}    Total (Avg Time)       L1 (Avg Time)       L2 (Avg Time)`,
      ...rows.map((row) => line(numberOf(row.isa, row.code), nameOf(input, row.isa, row.code), row)),
      line('', 'Total (Avg Time)', total(rows)),
      ...nesting,
    ]);
  },
};

const STARS = 40;

export const bpfHistView: View = {
  name: 'kvm-bpf-hist',
  tool: 'kvm_vmexit_time_hist.py',
  by: () => [],
  passes: () => [],
  render: (input) => {
    const missing = withoutTimes(input);
    if (missing !== null) return missing;
    const { model } = input;
    const counts: number[] = [];
    for (const { histogram } of model.reasons)
      for (const { loNs, count } of histogram) {
        const slot = loNs === 0 ? 0 : Math.round(Math.log2(loNs));
        counts[slot] = (counts[slot] ?? 0) + count;
      }
    const values = Array.from(counts, (count) => count ?? 0);
    const most = Math.max(1, ...values);
    // bcc's print_log2_hist: wider columns once the values need more than 32 bits.
    const wide = values.length > 32;
    const width = wide ? 20 : 10;
    return lines([
      `${wide ? '               ' : '     '}${'value'.padEnd(wide ? 29 : 19)} : count     distribution`,
      ...values.map((count, slot) => {
        const low = slot === 0 ? 0 : 2 ** slot;
        const stars = '*'.repeat(Math.floor((STARS * count) / most));
        return `${String(low).padStart(width)} -> ${String(2 ** (slot + 1) - 1).padEnd(width)} : ${String(count).padEnd(8)} |${stars.padEnd(STARS)}|`;
      }),
    ]);
  },
};

export const bpfSlowerView: View = {
  name: 'kvm-bpf-slower',
  tool: 'kvm_vmexit_slower.py',
  by: () => [],
  passes: () => [],
  render: (input) => {
    const missing = withoutTimes(input);
    if (missing !== null) return missing;
    const { analysis, model } = input;
    const { rows, qualified } = analysis.slow;
    const order = Array.from({ length: rows.length }, (_, row) => row).sort((a, b) => {
      const x = model.slow[a].exitNs;
      const y = model.slow[b].exitNs;
      return x < y ? -1 : x > y ? 1 : 0;
    });
    const names = order.map((row) => nameOf(input, rows.isa[row], rows.code[row]));
    const widths = [
      numberWidth(order.map((row) => numberOf(rows.isa[row], rows.code[row]))),
      nameWidth(names),
      8,
      4,
    ];
    return lines([
      ...order.map((row, i) =>
        columns(widths, [
          numberOf(rows.isa[row], rows.code[row]),
          names[i],
          rows.latency[row],
          rows.level[row] === 0 ? '(L1)' : '(L2)',
        ]),
      ),
      ...(qualified > rows.length
        ? [`... the longest ${rows.length} of ${qualified}; --slow N lists more`]
        : []),
    ]);
  },
};
