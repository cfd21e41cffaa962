/** Section `halt-polling`: what polling caught and cost, and what other values of halt_poll_ns would have done. */
import { toExact } from '../analysis/exact-sum.ts';
import {
  type HaltPollingResult,
  type HaltRow,
  WINDOWS,
  type WindowOutcome,
} from '../analysis/halt-polling.ts';
import { formatNs, formatPct, plural } from '../core/units.ts';
import { count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { csvOf } from './csv-data.ts';
import { exitFiltersUnused } from './filters.ts';
import type { Exact, ReportModel } from './model.ts';
import type { Block, Section, SectionInput } from './sections.ts';
import { compareThreads, identifyThread, type ThreadIdentity, vcpuNumbers } from './thread-identity.ts';

export interface HaltFigures {
  halts: number;
  /** Halts that ended while polling. */
  polled: number;
  /** Share of polled in halts, 0–1; null without halts. */
  successRatio: number | null;
  /** Wakeups that KVM did not count as an end of a halt's wait (no interrupt came). */
  invalid: number;
  /** ns of halts that polling caught, and of those that were slept through (their polling included). */
  polledNs: Exact;
  waitedNs: Exact;
  /** Polling in vain, at most; null: kvm_halt_poll_ns was not recorded. */
  failedPolls: number | null;
  failedPollNs: Exact | null;
  /** What each halt_poll_ns would have done at most: KVM's adaptive window is often shorter. */
  windows: WindowOutcome[];
}

export interface HaltRowModel extends ThreadIdentity, HaltFigures {
  /** How KVM changed the vCPU's window; null: kvm_halt_poll_ns was not recorded for it. */
  window: { grown: number; shrunk: number; firstNs: number; lastNs: number; maxNs: number } | null;
}

export interface HaltPollingModel {
  /** False: kvm_vcpu_wakeup was not recorded (or the clock has no unit). */
  known: boolean;
  total: HaltFigures | null;
  rows: HaltRowModel[];
  /** Events of halts and windows that are in no row: they tell no thread, or no time. */
  leftOut: number;
}

function build({ context, analysis, model }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes['halt-polling'] as HaltPollingResult | undefined;
  if (result === undefined) return null;
  const known = result.rows.length > 0 || (context.enabledEvents?.has('kvm_vcpu_wakeup') ?? false);
  const windows = result.windowEvents > 0 || (context.enabledEvents?.has('kvm_halt_poll_ns') ?? false);
  const numbers = vcpuNumbers(model);
  const rows = result.rows.map(
    (row): HaltRowModel => ({
      ...identifyThread(context, row, numbers),
      ...figures([row], windows),
      window:
        row.firstWindowNs < 0
          ? null
          : {
              grown: row.grown,
              shrunk: row.shrunk,
              firstNs: row.firstWindowNs,
              lastNs: row.lastWindowNs,
              maxNs: row.maxWindowNs,
            },
    }),
  );
  return {
    haltPolling: {
      known,
      total: known ? figures(result.rows, windows) : null,
      rows: rows.sort(compareThreads),
      leftOut: result.unusable,
    },
  };
}

function figures(rows: readonly HaltRow[], windowsKnown: boolean): HaltFigures {
  const sum = (of: (row: HaltRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const exact = (of: (row: HaltRow) => Exact) =>
    toExact(rows.reduce((all, row) => all + BigInt(of(row)), 0n));
  const halts = sum((row) => row.halts);
  const polled = sum((row) => row.polled);
  return {
    halts,
    polled,
    successRatio: halts > 0 ? polled / halts : null,
    invalid: sum((row) => row.invalid),
    polledNs: exact((row) => row.polledNs),
    waitedNs: exact((row) => row.waitedNs),
    failedPolls: windowsKnown ? sum((row) => row.failed) : null,
    failedPollNs: windowsKnown ? exact((row) => row.failedNs) : null,
    windows: WINDOWS.map((windowNs, i) => ({
      windowNs,
      caught: sum((row) => row.windows[i].caught),
      pollNs: exact((row) => row.windows[i].pollNs),
      wastedNs: exact((row) => row.windows[i].wastedNs),
    })),
  };
}

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { haltPolling } = model;
  if (!haltPolling || !asked) return [];
  const title = 'Halt polling';
  const { total, leftOut } = haltPolling;
  const beside =
    leftOut > 0 ? [`${plural(leftOut, 'event')} left out: they tell no thread, or no time.`] : [];
  const instead = (words: string): Block[] => [{ title, sentences: [words, ...beside], table: null }];
  if (!haltPolling.known || total === null)
    return instead(
      leftOut > 0
        ? 'Not known: no kvm_vcpu_wakeup tells its thread and its time.'
        : 'Not recorded: no kvm_vcpu_wakeup in the capture.',
    );
  if (total.halts === 0) return instead('No halts.');
  return [
    {
      title,
      sentences: [halted(total), ...exitFiltersUnused(model.selection), ...beside],
      table: threadTable(haltPolling.rows, rows),
    },
    {
      title: 'What other values of halt_poll_ns would have done',
      sentences: [
        'With the recorded halts, if every halt polled for so long; KVM adapts each window between 0 and halt_poll_ns, so that it catches and costs this at most.',
      ],
      table: windowTable(total),
    },
  ];
}

function halted(total: HaltFigures): string {
  return `${plural(total.halts, 'halt')}, of which polling caught ${formatPct(100 * total.successRatio!)}; ${formatNs(total.polledNs)} polled with success, ${
    total.failedPollNs === null
      ? 'polling in vain is not recorded (kvm_halt_poll_ns)'
      : `at most ${formatNs(total.failedPollNs)} in vain`
  }.`;
}

function threadTable(threads: readonly HaltRowModel[], rows: number): Block['table'] {
  return tableOf(
    [
      right('vCPU'),
      right('tid'),
      left('thread', { shrinkTo: 10, drop: 0 }),
      right('halts'),
      right('caught %'),
      right('polled'),
      right('in vain', { drop: 2 }),
      right('slept'),
      right('window now', { drop: 3 }),
      right('most', { drop: 4 }),
      right('grown', { drop: 1 }),
      right('shrunk', { drop: 1 }),
    ],
    threads,
    rows,
    (row) => [
      plain(row.vcpu),
      plain(row.tid),
      foreign(row.comm),
      count(row.halts),
      share(row.polled, row.halts),
      time(row.polledNs),
      time(row.failedPollNs),
      time(row.waitedNs),
      time(row.window?.lastNs ?? null),
      time(row.window?.maxNs ?? null),
      count(row.window?.grown ?? null),
      count(row.window?.shrunk ?? null),
    ],
  );
}

function windowTable(total: HaltFigures): Block['table'] {
  return tableOf(
    [
      right('halt_poll_ns'),
      right('would catch'),
      right('%', { gap: 1 }),
      right('polling time'),
      right('of it in vain'),
      right('% of halted', { drop: 0 }),
    ],
    total.windows,
    0,
    (row) => [
      time(row.windowNs),
      count(row.caught),
      share(row.caught, total.halts),
      time(row.pollNs),
      time(row.wastedNs),
      share(Number(row.pollNs), Number(total.polledNs) + Number(total.waitedNs)),
    ],
  );
}

export const haltPollingSection: Section = {
  id: 'halt-polling',
  byDefault: false,
  requests: () => [{ name: 'halt-polling', options: null }],
  build,
  blocks,
  csv: {
    'halt-polling': (model) =>
      csvOf(
        [
          'pid',
          'tid',
          'vcpu',
          'comm',
          'vm',
          'halts',
          'polled',
          'invalid',
          'polledNs',
          'waitedNs',
          'failedPolls',
          'failedPollNs',
          'grown',
          'shrunk',
          'firstNs',
          'lastNs',
          'maxNs',
        ],
        model.haltPolling?.rows.map((row) => ({
          ...row,
          grown: row.window?.grown ?? null,
          shrunk: row.window?.shrunk ?? null,
          firstNs: row.window?.firstNs ?? null,
          lastNs: row.window?.lastNs ?? null,
          maxNs: row.window?.maxNs ?? null,
        })),
      ),
    'halt-poll-windows': (model) =>
      csvOf(['windowNs', 'caught', 'pollNs', 'wastedNs'], model.haltPolling?.total?.windows),
  },
};
