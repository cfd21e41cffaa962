/** Section `ledger`: where each vCPU thread's time went; the columns add up to wall time to the ns (docs/ledger.md). */
import type { LedgerResult, LedgerRow } from '../analysis/ledger-result.ts';
import {
  T_AFTER,
  T_BEFORE,
  T_BLOCKED,
  T_GUEST,
  T_IDLE,
  T_KERNEL,
  T_LOST,
  T_POLLING,
  T_PREEMPTED,
  T_RUNNABLE,
  T_UNPAIRED,
  T_USER_AGAIN,
  T_USER_HALT,
  T_USERSPACE,
} from '../analysis/ledger-segment.ts';
import { EV_USERSPACE_EXIT } from '../core/events.ts';
import { formatNs, plural } from '../core/units.ts';
import { foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { costliest } from './costliest.ts';
import { csvOf } from './csv-data.ts';
import { exitFiltersUnused, selectsBy } from './filters.ts';
import type { ReportModel } from './model.ts';
import { latencyGap } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';
import { compareThreads, identifyThread, type ThreadIdentity, vcpuNumbers } from './thread-identity.ts';

/** All in ns. null: the events that tell it were not recorded; its time is then in another column, never lost. */
export interface LedgerRowModel extends ThreadIdentity {
  /** Sum of all columns that are not null (halted counts once: by its parts or undivided). */
  wallNs: number;
  /** Entry → exit. */
  guestNs: number;
  /** Exit → entry or userspace exit, without halts; with user space where that is null. */
  kernelNs: number;
  /** Userspace exit → entry, time asleep in user space included. */
  userspaceNs: number | null;
  /** Halted while on the CPU: polling for the end of the halt. */
  haltPollingNs: number | null;
  /** Halted off the CPU; without sched_switch the whole of halts that polling did not catch. */
  haltBlockedNs: number | null;
  /** Halted, undivided: idle exits where kvm_vcpu_wakeup was not recorded, and halts in user space. */
  haltUndividedNs: number;
  /** Woken up, not yet on a CPU. */
  runnableNs: number | null;
  /** Taken off the CPU although it wanted to run. */
  preemptedNs: number | null;
  unknownNs: number;
  /** Parts of unknownNs: events lost; exit or entry missing; before the thread's first and after its last KVM event. */
  unknown: { lostNs: number; unpairedNs: number; beforeNs: number; afterNs: number };
}

export interface LedgerModel {
  /** False: no exits and entries, or a clock without unit. Then there are no rows. */
  known: boolean;
  /** Which of the columns that need further events were recorded. */
  recorded: { userspace: boolean; halts: boolean; preempted: boolean; runnable: boolean };
  /** First event to last (of the selected time), ns. */
  wallNs: number | null;
  rows: LedgerRowModel[];
  /** Events of threads that have no row: there are more than are kept. */
  leftOut: number;
}

function build({ context, analysis, model }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.ledger as LedgerResult | undefined;
  if (result === undefined) return null;
  const enabled = (name: string) => context.enabledEvents?.has(name) ?? false;
  const switches = result.switches > result.switchesWithoutState;
  const recorded: LedgerModel['recorded'] = {
    userspace: analysis.summary.counts[EV_USERSPACE_EXIT] > 0 || enabled('kvm_userspace_exit'),
    halts: result.halts > 0 || enabled('kvm_vcpu_wakeup'),
    preempted: switches,
    runnable: switches && result.wakes > 0,
  };
  const known =
    latencyGap({ context, analysis }) === null &&
    result.rows.some(({ entries }) => entries > 0) &&
    result.wallNs !== null;
  const numbers = vcpuNumbers(model);
  const rows = known ? result.rows.map((row) => buildRow(context, row, recorded, numbers)) : [];
  return {
    ledger: {
      known,
      recorded,
      wallNs: context.timeIsNs ? result.wallNs : null,
      rows: rows.sort(compareThreads),
      leftOut: result.ignored,
    },
  };
}

function buildRow(
  context: SectionInput['context'],
  row: LedgerRow,
  recorded: LedgerModel['recorded'],
  numbers: ReadonlyMap<number, number>,
): LedgerRowModel {
  const sums = row.sums.slice();
  const move = (from: number, to: number) => {
    sums[to] += sums[from];
    sums[from] = 0;
  };
  if (row.entries === 0) {
    // Entries of this thread were not recorded: only halts tell where it was.
    for (const column of [T_GUEST, T_KERNEL, T_USERSPACE, T_USER_AGAIN, T_IDLE, T_RUNNABLE, T_PREEMPTED])
      move(column, T_UNPAIRED);
  }
  move(T_USER_AGAIN, T_USERSPACE);
  if (recorded.halts) move(T_IDLE, T_KERNEL);
  if (!recorded.userspace) move(T_USERSPACE, T_KERNEL);
  const orNull = (isRecorded: boolean, column: number) => (isRecorded ? sums[column] : null);
  if (!recorded.runnable) move(T_RUNNABLE, T_UNPAIRED);
  if (!recorded.preempted) move(T_PREEMPTED, T_UNPAIRED);
  const unknown = {
    lostNs: sums[T_LOST],
    unpairedNs: sums[T_UNPAIRED],
    beforeNs: sums[T_BEFORE],
    afterNs: sums[T_AFTER],
  };
  return {
    ...identifyThread(context, row, numbers),
    wallNs: row.sums.reduce((total, ns) => total + ns, 0),
    guestNs: sums[T_GUEST],
    kernelNs: sums[T_KERNEL],
    userspaceNs: orNull(recorded.userspace, T_USERSPACE),
    haltPollingNs: orNull(recorded.halts, T_POLLING),
    haltBlockedNs: orNull(recorded.halts, T_BLOCKED),
    haltUndividedNs: sums[T_IDLE] + sums[T_USER_HALT],
    runnableNs: orNull(recorded.runnable, T_RUNNABLE),
    preemptedNs: orNull(recorded.preempted, T_PREEMPTED),
    unknownNs: unknown.lostNs + unknown.unpairedNs + unknown.beforeNs + unknown.afterNs,
    unknown,
  };
}

/** What the vCPU wanted to run and could not, or was handled by the host. */
export function handlingNs(row: LedgerRowModel): number {
  return row.kernelNs + (row.userspaceNs ?? 0) + (row.runnableNs ?? 0) + (row.preemptedNs ?? 0);
}

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { ledger } = model;
  if (!ledger || !asked) return [];
  const title = 'Time ledger of vCPU threads, % of wall time';
  if (!ledger.known)
    return [{ title, sentences: ['Not recorded: it takes kvm_entry and kvm_exit with times.'], table: null }];
  const { recorded } = ledger;
  const undivided = ledger.rows.some((row) => row.haltUndividedNs > 0);
  const missing = [
    ...(recorded.userspace ? [] : ['user space (kvm_userspace_exit), which is in the kernel column']),
    ...(recorded.halts ? [] : ['how halts divide into polling and blocked (kvm_vcpu_wakeup)']),
    ...(recorded.preempted
      ? []
      : ['preempted (sched_switch), which is in the column of what was interrupted']),
    ...(recorded.runnable ? [] : ['runnable (sched_wakeup or sched_waking)']),
  ];
  const pct = (of: (row: LedgerRowModel) => number | null) => (row: LedgerRowModel) =>
    share(of(row), row.wallNs);
  const columns = [
    { column: right('guest'), cell: pct((row) => row.guestNs) },
    { column: right('kernel'), cell: pct((row) => row.kernelNs) },
    ...(recorded.userspace ? [{ column: right('user'), cell: pct((row) => row.userspaceNs) }] : []),
    ...(recorded.halts
      ? [
          { column: right('polling'), cell: pct((row) => row.haltPollingNs) },
          { column: right('blocked'), cell: pct((row) => row.haltBlockedNs) },
        ]
      : []),
    ...(undivided ? [{ column: right('halted'), cell: pct((row) => row.haltUndividedNs) }] : []),
    ...(recorded.runnable ? [{ column: right('runnable'), cell: pct((row) => row.runnableNs) }] : []),
    ...(recorded.preempted ? [{ column: right('preempted'), cell: pct((row) => row.preemptedNs) }] : []),
    { column: right('unknown'), cell: pct((row) => row.unknownNs) },
  ];
  const { shown, hidden } = costliest(ledger.rows, rows, handlingNs);
  return [
    {
      title,
      sentences: [
        `${selectsBy(model.selection, 'time') ? 'The time that was asked for' : 'From the first event to the last'}: ${formatNs(ledger.wallNs)} per thread. Unknown is the time before a thread's first and after its last event, around losses and missing events.`,
        ...exitFiltersUnused(model.selection),
        ...(missing.length ? [`Not recorded: ${missing.join('; ')}.`] : []),
        ...(ledger.leftOut > 0
          ? [`${plural(ledger.leftOut, 'event')} left out: there are more threads than are kept.`]
          : []),
      ],
      table: {
        ...tableOf(
          [
            right('vCPU'),
            right('tid'),
            left('thread', { shrinkTo: 10, drop: 1 }),
            right('guest time', { drop: 0 }),
            ...columns.map(({ column }) => column),
          ],
          shown,
          0,
          (row) => [
            plain(row.vcpu),
            plain(row.tid),
            foreign(row.comm),
            time(row.guestNs),
            ...columns.map(({ cell }) => cell(row)),
          ],
        ),
        hidden,
        hiddenBy: 'time on the host, halts left out',
      },
    },
  ];
}

export const ledgerSection: Section = {
  id: 'ledger',
  byDefault: false,
  requests: () => [{ name: 'ledger', options: null }],
  build,
  blocks,
  csv: {
    ledger: (model) =>
      csvOf(
        [
          'pid',
          'tid',
          'vcpu',
          'comm',
          'vm',
          'wallNs',
          'guestNs',
          'kernelNs',
          'userspaceNs',
          'haltPollingNs',
          'haltBlockedNs',
          'haltUndividedNs',
          'runnableNs',
          'preemptedNs',
          'unknownNs',
          'lostNs',
          'unpairedNs',
          'beforeNs',
          'afterNs',
        ],
        model.ledger?.rows.map(({ unknown, ...row }) => ({ ...row, ...unknown })),
      ),
  },
};
