/** The vCPU threads and where their time went. */

import { formatNs, formatPct } from '../../core/units.ts';
import { handlingNs, type LedgerRowModel } from '../build-ledger.ts';
import { costliest } from '../costliest.ts';
import type { ReportModel } from '../model.ts';
import { legend, stackedBars } from '../svg/stacked-bars.ts';
import { busyCost, vcpusTable } from '../tables.ts';
import { type Markup, markup } from './markup.ts';
import type { Part } from './part.ts';
import { sectionBlocks } from './sections.ts';
import { sharedTable } from './table.ts';

/** Bars of a chart: more cannot be told apart. */
const MOST_BARS = 64;

/** Names of vCPU threads for charts; where several have the same number, with their thread. */
function vcpuLabels(rows: readonly { readonly vcpu: number | null; readonly tid: number }[]): string[] {
  const numbers = rows.map(({ vcpu }) => vcpu);
  const ambiguous = new Set(numbers).size < numbers.length;
  return rows.map(({ vcpu, tid }) =>
    vcpu === null ? `tid ${tid}` : ambiguous ? `vCPU ${vcpu} (${tid})` : `vCPU ${vcpu}`,
  );
}

/** Without a ledger: exits only, what lies between them is the guest's time or not recorded. */
function exitBars(model: ReportModel): Markup | null {
  const { durationNs } = model.capture;
  const rows = model.vcpus.filter((row) => row.totalNs !== null);
  if (durationNs === null || Number(durationNs) <= 0 || rows.length === 0 || model.selection) return null;
  const { shown, hidden } = costliest(rows, MOST_BARS, busyCost);
  const labels = vcpuLabels(shown);
  const share = (ns: number) => formatPct((100 * ns) / Number(durationNs));
  return markup`<figure><figcaption>Time from exits to entries per vCPU thread, of ${formatNs(durationNs)} recorded; the rest is the guest running, or not recorded${hidden > 0 && ` (the ${MOST_BARS} threads of ${rows.length} with most time in exits that are not idle)`}</figcaption>${stackedBars(
    {
      id: 'c-vcpus',
      title: 'Time in exits per vCPU thread',
      description: shown
        .slice(0, 8)
        .map(
          (row, i) =>
            `${labels[i]}: ${share(busyCost(row))} handling exits, ${share(Number(row.idleNs ?? 0))} idle`,
        )
        .join('; '),
    },
    shown.map((row, i) => ({ label: labels[i], parts: [busyCost(row), Number(row.idleNs ?? 0)] })),
    ['kernel', 'idle'],
    Number(durationNs),
  )}${legend([
    { kind: 'kernel', name: 'exits, not idle' },
    { kind: 'idle', name: 'idle exits' },
    { kind: 'track', name: 'guest, or not recorded' },
  ])}</figure>`;
}

/** Columns of the ledger from the guest's time outwards; a value that was not recorded is in another column. */
const LEDGER: readonly {
  readonly kind: string;
  readonly name: string;
  readonly of: (row: LedgerRowModel) => number;
}[] = [
  { kind: 'guest', name: 'guest', of: (row) => row.guestNs },
  { kind: 'kernel', name: 'kernel', of: (row) => row.kernelNs },
  { kind: 'user', name: 'user space', of: (row) => row.userspaceNs ?? 0 },
  { kind: 'poll', name: 'halted, polling', of: (row) => row.haltPollingNs ?? 0 },
  { kind: 'idle', name: 'halted, blocked', of: (row) => row.haltBlockedNs ?? 0 },
  { kind: 'halt', name: 'halted', of: (row) => row.haltUndividedNs },
  { kind: 'run', name: 'runnable', of: (row) => row.runnableNs ?? 0 },
  { kind: 'steal', name: 'preempted', of: (row) => row.preemptedNs ?? 0 },
  { kind: 'track', name: 'unknown', of: (row) => row.unknownNs },
];

function ledgerBars({ ledger }: ReportModel): Markup | null {
  if (!ledger?.known || ledger.rows.length === 0) return null;
  const { shown, hidden } = costliest(ledger.rows, MOST_BARS, handlingNs);
  const labels = vcpuLabels(shown);
  const columns = LEDGER.filter(({ of }) => shown.some((row) => of(row) > 0));
  const whole = Math.max(...shown.map((row) => row.wallNs));
  return markup`<figure><figcaption>Where each vCPU thread's time went, of ${formatNs(ledger.wallNs)} recorded${hidden > 0 && ` (the ${MOST_BARS} threads of ${ledger.rows.length} with most time on the host, halts left out)`}</figcaption>${stackedBars(
    {
      id: 'c-ledger',
      title: 'Time ledger per vCPU thread',
      description: shown
        .slice(0, 8)
        .map(
          (row, i) =>
            `${labels[i]}: ${columns.map(({ name, of }) => `${name} ${formatPct((100 * of(row)) / row.wallNs)}`).join(', ')}`,
        )
        .join('; '),
    },
    shown.map((row, i) => ({ label: labels[i], parts: columns.map(({ of }) => of(row)) })),
    columns.map(({ kind }) => kind),
    whole,
  )}${legend(columns)}</figure>`;
}

export const vcpusPart: Part = {
  id: 'vcpus',
  title: 'Time of each vCPU',
  render: (model, options) =>
    model.vcpus.length === 0
      ? null
      : markup`${ledgerBars(model) ?? exitBars(model)}${sectionBlocks(model, 'ledger', options)}<h3>vCPU threads</h3>${sharedTable('vCPU threads', vcpusTable(model, options.rows))}`,
};
