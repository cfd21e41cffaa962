/** What a report's numbers say, in words: only what they show, no causes and no advice. */

import { formatCount, formatNs, formatPct, plural } from '../core/units.ts';
import type { QemuModel } from './build-qemu.ts';
import type { Exact, ReasonModel, ReportModel, VerdictModel } from './model.ts';
import { shownReason } from './reason-identity.ts';
import { holdsExits, recordedThreadNs } from './recorded.ts';
import { hasSeveralIsas } from './tables.ts';

const MOST_FINDINGS = 3;

/** Share of two exact sums in percent; null where it cannot be told. */
function share(part: Exact | null, whole: Exact | null): number | null {
  return part === null || whole === null || Number(whole) <= 0 ? null : (100 * Number(part)) / Number(whole);
}

export function buildVerdict(model: ReportModel): VerdictModel {
  const { totals } = model;
  const whole = recordedThreadNs(model);
  const seconds = whole === null ? null : Number(model.capture.durationNs) / 1e9;
  const busyNs = busyTime(model);
  return {
    headline: {
      exitsPerSecond: seconds === null || seconds === 0 ? null : totals.exits / seconds,
      busyNs,
      busyPct: share(busyNs, whole),
      escalatedPct: share(totals.escalated, totals.exits),
    },
    summary: summary(model, whole),
    findings: findings(model),
  };
}

/** Where exits that are not idle have no pair, how long they took is not known; where there are none, they took nothing. */
function busyTime({ busyTotals }: ReportModel): Exact | null {
  return busyTotals.paired > 0 || busyTotals.exits === 0 ? busyTotals.totalNs : null;
}

function summary(model: ReportModel, whole: number | null): string[] {
  const { totals, busyTotals, escalation, capture } = model;
  if (model.qemu && !holdsExits(model) && model.qemu.exits > 0)
    return qemuSummary(model.qemu, model.selection ? null : capture.durationNs);
  if (totals.exits === 0)
    return [
      model.selection && holdsExits(model)
        ? 'No exit matches the selection.'
        : 'The recording holds no exits, so it tells nothing about them.',
    ];
  const sentences: string[] = [];
  const threads = plural(model.vcpus.length, 'vCPU thread');
  const during = capture.durationNs === null ? '' : ` in ${formatNs(capture.durationNs)}`;
  sentences.push(
    whole === null
      ? `${plural(totals.exits, 'exit')} of ${threads}.`
      : model.selection
        ? `The filters choose ${plural(totals.exits, 'exit')} of ${threads}${during}.`
        : `${threads} left the guest ${plural(totals.exits, 'time')}${during}.`,
  );
  if (totals.totalNs !== null && totals.paired > 0) {
    const idle = Number(totals.totalNs) - Number(busyTotals.totalNs ?? 0);
    const ofWhole = (value: Exact) => {
      const pct = share(value, whole);
      return pct === null ? '' : ` (${formatPct(pct)} of the threads' time)`;
    };
    const idling = idle > 0 ? `${formatNs(idle)}${ofWhole(idle)} was mostly the guest's own idling.` : null;
    const busy = `Handling exits took ${formatNs(busyTotals.totalNs ?? 0)}${ofWhole(busyTotals.totalNs ?? 0)}`;
    if (busyTotals.paired > 0) sentences.push(idling === null ? `${busy}.` : `${busy}; another ${idling}`);
    else if (idling !== null) sentences.push(idling);
  } else if (!capture.timeIsNs)
    sentences.push('The clock has no known unit: there are counts, but no times.');
  if (!escalation.known)
    sentences.push(
      escalation.gap === 'not-recorded'
        ? 'Which exits went on to user space was not recorded.'
        : 'Which exits went on to user space cannot be told.',
    );
  else if (escalation.exits !== null && escalation.escalated !== null)
    sentences.push(
      escalation.escalated === 0
        ? 'No exit went on to user space.'
        : `${plural(escalation.escalated, 'exit')} (${formatPct(share(escalation.escalated, escalation.exits))}) went on to user space` +
            (escalation.userspaceNs === null || Number(escalation.userspaceNs) === 0
              ? '.'
              : `, which took ${formatNs(escalation.userspaceNs)}.`),
    );
  return sentences;
}

/** Of a recording that has QEMU's side only. */
function qemuSummary({ exits, rows, devices }: QemuModel, durationNs: Exact | null): string[] {
  const during = durationNs === null ? '' : ` in ${formatNs(durationNs)}`;
  const sentences = [
    `No kvm_exit was recorded, only what went on to QEMU: KVM_RUN returned to it ${plural(exits, 'time')}${during}.`,
  ];
  const sum = (list: readonly { totalNs: Exact }[]) => list.reduce((ns, row) => ns + Number(row.totalNs), 0);
  const total = sum(rows.flatMap(({ handling }) => handling ?? []));
  if (total === 0) return sentences;
  const regions = new Map<string, number>();
  for (const { device, totalNs } of devices ?? [])
    if (device !== null) regions.set(device, (regions.get(device) ?? 0) + Number(totalNs));
  const costliest = [...regions]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, MOST_FINDINGS);
  const named = costliest.map(([device, ns]) => `${device} (${formatPct(share(ns, total))})`);
  sentences.push(
    `QEMU took ${formatNs(total)} for them${named.length > 0 ? `, most for ${named.join(', ')}` : ''}.`,
  );
  return sentences;
}

/** Names what a row stands for, its group included. */
function rowName(row: ReasonModel, showIsa: boolean): string {
  const name = shownReason(row, showIsa);
  const keys: string[] = [];
  if (row.vcpu !== undefined) keys.push(`vCPU ${row.vcpu ?? 'unknown'}`);
  if (row.tid !== undefined) keys.push(`tid ${row.tid ?? 'unknown'}`);
  if (row.vm !== undefined) keys.push(`VM ${row.vm ?? `pid ${row.pid ?? 'unknown'}`}`);
  if (row.cpu !== undefined) keys.push(`CPU ${row.cpu ?? 'unknown'}`);
  if (row.level !== undefined) keys.push(row.level);
  return keys.length ? `${name} (${keys.join(', ')})` : name;
}

function findings(model: ReportModel): VerdictModel['findings'] {
  const { busyTotals } = model;
  const showIsa = hasSeveralIsas(model);
  const timed = model.reasons.some((row) => row.totalNs !== null && row.paired > 0);
  const cost = (row: ReasonModel) => (timed ? Number(row.totalNs ?? 0) : row.exits);
  return model.reasons
    .filter((row) => !row.idle && cost(row) > 0)
    .sort((a, b) => cost(b) - cost(a) || b.exits - a.exits || (a.name < b.name ? -1 : 1))
    .slice(0, MOST_FINDINGS)
    .map((row) => {
      const name = rowName(row, showIsa);
      return {
        title: timed
          ? `${name}: ${formatNs(row.totalNs)}${ofBusy(share(row.totalNs, busyTotals.totalNs), 'the time in exits without idling')}`
          : `${name}: ${plural(row.exits, 'exit')}${ofBusy(share(row.exits, busyTotals.exits), 'the exits without idle ones')}`,
        text: [timed ? timeWords(row) : null, tailWords(row), escalationWords(row)]
          .filter((words) => words !== null)
          .join(' '),
        exits: row.exits,
        totalNs: row.totalNs,
      };
    });
}

function ofBusy(pct: number | null, what: string): string {
  return pct === null ? '' : `, ${formatPct(pct)} of ${what}`;
}

function timeWords(row: ReasonModel): string {
  if (row.paired === 1) return `It took ${formatNs(row.maxNs)}.`;
  if (row.paired < 100)
    return `${plural(row.paired, 'exit')} took ${formatNs(row.avgNs)} on average, ${formatNs(row.maxNs)} at most.`;
  return `${plural(row.paired, 'exit')} took ${formatNs(row.avgNs)} on average; half took ${formatNs(row.p50Ns)} or less, one in a hundred more than ${formatNs(row.p99Ns)}.`;
}

/** Only where a single exit or the slowest percent stands out. */
function tailWords(row: ReasonModel): string | null {
  if (row.totalNs === null || row.maxNs === null || row.paired < 100) return null;
  const longest = share(row.maxNs, row.totalNs)!;
  if (longest >= 10) return `A single one took ${formatNs(row.maxNs)}: ${formatPct(longest)} of the total.`;
  return row.p50Ns !== null && row.maxNs >= 20 * row.p50Ns
    ? `The longest took ${formatNs(row.maxNs)}.`
    : null;
}

function escalationWords(row: ReasonModel): string | null {
  if (row.escalated === null || row.escalated === 0) return null;
  return row.escalated === row.exits
    ? 'All of them went on to user space.'
    : `${formatCount(row.escalated)} of ${plural(row.exits, 'exit')} (${formatPct(share(row.escalated, row.exits))}) went on to user space.`;
}
