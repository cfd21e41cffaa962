/** Tables and sentences of a comparison, shared by text, Markdown and HTML. */

import { formatCount, formatNs, formatNsCell, formatRatio, plural, UNKNOWN_CELL } from '../../core/units.ts';
import type { Cell, TableData } from '../cells.ts';
import { cell, count, foreign, left, plain, right, tableOf } from '../cells.ts';
import { shownReason } from '../reason-identity.ts';
import { IDLE_MARK } from '../tables.ts';
import type { DiffFigure, DiffFigures, DiffModel, DiffQemuModel, DiffWork } from './model.ts';

/** Stands where a change cannot be told from noise. */
const NOISE_MARK = '~';

/** Per second: whole numbers from 100 on, else with up to two decimals. */
export function formatRate(rate: number | null): string {
  if (rate === null) return UNKNOWN_CELL;
  if (rate !== 0 && Math.abs(rate) < 0.005) return rate < 0 ? '>-0.01' : '<0.01';
  return Math.abs(rate) >= 100 ? formatCount(Math.round(rate)) : String(Number(rate.toFixed(2)));
}

function nsOf(ns: number): number {
  return Math.abs(ns) >= 1000 ? ns : Math.round(ns);
}

const signed = (text: string) => (text.startsWith('-') ? text : `+${text}`);
const isChange = ({ verdict }: DiffFigure) => verdict === 'higher' || verdict === 'lower';

/** The change if there is one, in percent of before. */
export function changeText(figure: DiffFigure): string {
  if (figure.verdict === 'unknown') return UNKNOWN_CELL;
  if (!isChange(figure)) return NOISE_MARK;
  if (figure.before === 0) return 'new';
  if (figure.after === 0) return 'gone';
  return percentText(figure);
}

/** The same of a time: 0 is one that was shorter than the clock's steps. */
function timeChangeText(figure: DiffFigure): string {
  if (!isChange(figure)) return changeText(figure);
  return figure.before === 0 ? signed(formatNsCell(nsOf(figure.change!))) : percentText(figure);
}

function percentText(figure: DiffFigure): string {
  const pct = figure.changePct!;
  if (pct >= 900) return `x${(1 + pct / 100).toFixed(pct >= 9900 ? 0 : 1)}`;
  return signed(`${pct.toFixed(Math.abs(pct) >= 99.95 ? 0 : 1)}%`);
}

/** Shares change by percentage points. */
function pointsText(figure: DiffFigure): string {
  if (figure.verdict === 'unknown') return UNKNOWN_CELL;
  return isChange(figure) ? signed((100 * figure.change!).toFixed(1)) : NOISE_MARK;
}

function cells(name: Cell, row: DiffFigures): Cell[] {
  const { costNs, rate } = row;
  const ns = (value: number | null) => cell(formatNsCell(value === null ? null : nsOf(value)));
  return [
    name,
    ns(costNs.before),
    ns(costNs.after),
    cell(
      costNs.verdict === 'unknown'
        ? UNKNOWN_CELL
        : isChange(costNs)
          ? signed(formatNsCell(nsOf(costNs.change!)))
          : NOISE_MARK,
    ),
    cell(formatRate(rate.before)),
    cell(formatRate(rate.after)),
    cell(changeText(rate)),
    cell(timeChangeText(row.p50Ns)),
    cell(timeChangeText(row.p99Ns)),
    cell(pointsText(row.escalation)),
  ];
}

/** What costs and rates are per, in headings and sentences. */
function perWords({ work }: Pick<DiffModel, 'work'>) {
  return work === null
    ? { each: 'per vCPU-second', exits: 'exits/s', heading: 'per second' }
    : { each: 'per unit of work', exits: 'exits/unit', heading: 'per unit' };
}

export function hasSeveralIsas({ reasons }: DiffModel): boolean {
  return new Set(reasons.map(({ isa }) => isa)).size > 1;
}

export function reasonsTable(model: DiffModel, limit: number): TableData {
  const showIsa = hasSeveralIsas(model);
  const { exits } = perWords(model);
  const columns = [
    left('exit reason', { shrinkTo: 16 }),
    right('cost before', { drop: 3 }),
    right('after', { drop: 2, titleAlone: 'cost after' }),
    right('change', { titleAlone: 'cost change' }),
    right(`${exits} before`, { drop: 6 }),
    right('after', { drop: 5, titleAlone: `${exits} after` }),
    right('change', { drop: 0, titleAlone: `${exits} change` }),
    right('p50', { drop: 4 }),
    right('p99', { drop: 1 }),
    right(USER_TITLE, { drop: 7 }),
  ];
  const table = tableOf(columns, model.reasons, limit, (row) =>
    cells(
      {
        text: shownReason(row, showIsa),
        untrusted: true,
        ...(row.idle ? { mark: ` ${IDLE_MARK}` } : {}),
      },
      row,
    ),
  );
  if (model.reasons.length < 2) return table;
  const totals = [cells(cell('all'), model.totals)];
  if (model.reasons.some(({ idle }) => idle)) totals.push(cells(cell('all but idle'), model.busyTotals));
  return { ...table, totals };
}

export function userspaceTable(model: DiffModel, limit: number): TableData {
  const { heading } = perWords(model);
  return tableOf(
    [
      left('KVM_RUN returned with', { shrinkTo: 18 }),
      right('before', { drop: 3 }),
      right('after', { drop: 2 }),
      right(`${heading} before`, { drop: 1 }),
      right('after', { drop: 0, titleAlone: `${heading} after` }),
      right('change'),
    ],
    model.userspace,
    limit,
    (row) => [
      foreign(row.name),
      count(row.before),
      count(row.after),
      cell(formatRate(row.rate.before)),
      cell(formatRate(row.rate.after)),
      cell(changeText(row.rate)),
    ],
  );
}

export function qemuTable(model: DiffModel, limit: number): TableData {
  const { heading } = perWords(model);
  const ns = (value: number | null) => cell(formatNsCell(value === null ? null : nsOf(value)));
  return tableOf(
    [
      left('KVM_RUN returned with', { shrinkTo: 18 }),
      right('QEMU time before', { drop: 3 }),
      right('after', { drop: 2, titleAlone: 'QEMU time after' }),
      right('change', { titleAlone: 'QEMU time change' }),
      right(`${heading} before`, { drop: 1 }),
      right('after', { drop: 0, titleAlone: `${heading} after` }),
      right('change', { titleAlone: `${heading} change` }),
    ],
    model.qemu,
    limit,
    ({ name, costNs, rate }) => [
      foreign(name),
      ns(costNs.before),
      ns(costNs.after),
      cell(changeText(costNs)),
      cell(formatRate(rate.before)),
      cell(formatRate(rate.after)),
      cell(changeText(rate)),
    ],
  );
}

export function sidesTable(model: DiffModel): TableData {
  const sides = [
    { name: 'before', side: model.before, exits: model.totals.before.exits },
    { name: 'after', side: model.after, exits: model.totals.after.exits },
  ];
  const ns = (value: number | null) => cell(formatNsCell(value));
  return tableOf(
    [
      left(''),
      left('file', { shrinkTo: 16, keepEnd: true }),
      left('host', { shrinkTo: 8, drop: 0 }),
      left('kernel', { shrinkTo: 10, drop: 1 }),
      right('recorded'),
      right('vCPUs', { drop: 2 }),
      right('in guest', { drop: 3 }),
      right('exits'),
      left('data', { gap: 1 }),
    ],
    sides,
    0,
    ({ name, side, exits }) => [
      cell(name),
      foreign(side.capture.sources.map(({ path }) => path).join(', ')),
      foreign(side.capture.host),
      foreign(side.capture.kernel),
      ns(side.wallNs),
      plain(side.vcpus),
      ns(side.guestNs),
      count(exits),
      cell(side.trust.ok ? 'OK' : 'WARN'),
    ],
  );
}

/** A sentence about text of a recording: the renderer escapes `name`. */
export interface ChangeLine {
  readonly name: string;
  readonly untrusted: boolean;
  readonly words: string;
}

type Format = (value: number) => string;
const time: Format = (value) => formatNs(nsOf(value));
const figuresOf = (
  each: string,
): readonly {
  key: Exclude<keyof DiffFigures, 'before' | 'after' | 'escalation'>;
  label: string;
  format: Format;
}[] => [
  { key: 'costNs', label: `cost ${each}`, format: time },
  { key: 'rate', label: `exits ${each}`, format: formatRate },
  { key: 'guestRate', label: 'exits per guest-second', format: formatRate },
  { key: 'p50Ns', label: 'p50', format: time },
  { key: 'p90Ns', label: 'p90', format: time },
  { key: 'p99Ns', label: 'p99', format: time },
];

function figureWords(figure: DiffFigure, label: string, format: Format, change = changeText(figure)): string {
  const { before, after, low, high } = figure;
  return `${label} ${format(before!)} → ${format(after!)} (${change}; change between ${signed(format(low!))} and ${signed(format(high!))})`;
}

function escalationWords(figure: DiffFigure): string {
  const { before, after, low, high } = figure;
  const points = (share: number) => signed(`${(100 * share).toFixed(2)} points`);
  return `escalation to user space ${formatRatio(before!)} → ${formatRatio(after!)} (${pointsText(figure)} points; change between ${points(low!)} and ${points(high!)})`;
}

function changeWords(row: DiffFigures, each: string): string {
  const words = figuresOf(each).flatMap(({ key, label, format }) =>
    isChange(row[key])
      ? figureWords(row[key], label, format, /^p\d/.test(key) ? timeChangeText(row[key]) : undefined)
      : [],
  );
  return [...words, ...(isChange(row.escalation) ? [escalationWords(row.escalation)] : [])].join('; ');
}

function qemuWords({ costNs, rate }: DiffQemuModel, each: string): string {
  return [
    ...(isChange(costNs) ? [figureWords(costNs, `QEMU's time ${each}`, time)] : []),
    ...(isChange(rate) ? [figureWords(rate, `returns ${each}`, formatRate)] : []),
  ].join('; ');
}

/** One line per reason with any change, the totals first, QEMU's side last. */
export function changeLines(model: DiffModel): ChangeLine[] {
  const showIsa = hasSeveralIsas(model);
  const { each } = perWords(model);
  const lines = [
    { name: 'all but idle', untrusted: false, words: changeWords(model.busyTotals, each) },
    ...model.reasons.map((row) => ({
      name: shownReason(row, showIsa),
      untrusted: true,
      words: changeWords(row, each),
    })),
    ...model.qemu.map((row) => ({ name: row.name, untrusted: false, words: qemuWords(row, each) })),
  ];
  return lines.filter(({ words }) => words !== '');
}

/** Neither recording holds exits, but both QEMU's side of them. */
export function comparesQemuOnly({ reasons, qemu }: Pick<DiffModel, 'reasons' | 'qemu'>): boolean {
  return reasons.length === 0 && qemu.length > 0;
}

/** The verdict in one sentence. */
export function summaryOf(model: DiffModel): string {
  const { reasons, method, busyTotals, qemu } = model;
  const { each } = perWords(model);
  if (method.figures === 0) return 'The recordings do not allow a comparison: see the notes.';
  if (comparesQemuOnly(model)) {
    const changed = qemu.filter((row) => qemuWords(row, each) !== '').length;
    const all = `${plural(qemu.length, 'reason')} why KVM_RUN returned to QEMU`;
    return changed === 0
      ? `No change beyond noise in ${all}.`
      : `${formatCount(changed)} of ${all} changed beyond noise.`;
  }
  const changed = reasons.filter((row) => changeWords(row, each) !== '').length;
  if (changed === 0 && changeWords(busyTotals, each) === '')
    return `No change beyond noise in ${plural(reasons.length, 'exit reason')}.`;
  const of = isasDiffer(model)
    ? 'Different instruction sets, whose exit reasons are not comparable'
    : `${formatCount(changed)} of ${plural(reasons.length, 'exit reason')} changed beyond noise`;
  const { costNs } = busyTotals;
  return isChange(costNs)
    ? `${of}. Without idling, exits cost ${time(costNs.before!)} ${each} before and ${time(costNs.after!)} after (${changeText(costNs)}).`
    : `${of}; the cost of all exits without idle ones did not${isasDiffer(model) ? ' change beyond noise' : ''}.`;
}

/** Whether both are known and not the same: each reason is then in one of the recordings only. */
function isasDiffer({ before, after }: DiffModel): boolean {
  const [a, b] = [before, after].map(({ capture }) => [...capture.isa].sort().join());
  return a !== b && a !== '' && b !== '';
}

/** How much work both recordings saw. */
function workWords({ before, after }: DiffWork): string {
  return `${formatWork(before)} before, ${formatWork(after)} after`;
}

const formatWork = (work: number) => (Number.isInteger(work) ? formatCount(work) : String(work));

/** Column of escalation, which narrow pages leave out. */
export const USER_TITLE = 'user%';

/** `user`: whether that column is there. */
export function legendOf(model: DiffModel, user = true): string {
  const { confidencePct, figures, replicates } = model.method;
  const { exits } = perWords(model);
  const basis =
    model.work === null ? 'per second of vCPU time' : `per unit of work (${workWords(model.work)})`;
  return [
    ...(model.reasons.some(({ idle }) => idle) ? [`${IDLE_MARK} mostly the guest's own idling`] : []),
    ...(comparesQemuOnly(model)
      ? []
      : [
          `cost: time in exits ${basis}; ${exits}: ${model.work === null ? basis : 'per unit of work'}`,
          ...(user ? [`${USER_TITLE}: share that went to user space, in points`] : []),
        ]),
    `${NOISE_MARK} no change beyond noise; - not known, or too few exits to tell`,
    `intervals: block bootstrap over time slices (${replicates} replicates), all ${figures} together at ${confidencePct}%`,
  ].join('; ');
}
