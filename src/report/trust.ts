/** Whether a report's numbers cover the recording: the one line that a ticket's reader looks for first. */

import { formatCount, formatNs, formatPct, plural } from '../core/units.ts';
import { selectsBy } from './filters.ts';
import type { CaptureModel, ReportModel } from './model.ts';

export interface Trust {
  readonly ok: boolean;
  /** Counters that speak for the verdict, in words. */
  readonly reasons: readonly string[];
}

/** The one warning that readers look for: a copy that did not finish, a recorder that was killed. */
const CUT_OFF = 'truncated-file';

export function assessTrust(model: ReportModel): Trust {
  const { quality, capture } = model;
  const doubts: string[] = [];
  const { lost } = capture;
  if (lost.events !== 0 || lost.regions > 0)
    doubts.push(
      `${describeLost(lost)} lost in ` +
        `${plural(lost.regions, 'region')} (${formatPct(lost.affectedPct)} of the time)`,
    );
  if (quality.invalidatedByLoss > 0)
    doubts.push(`${plural(quality.invalidatedByLoss, 'exit')} invalidated by losses`);
  // Each thread may be in an exit when recording begins or ends; more than one per thread is not normal.
  const edge = Math.max(1, model.vcpus.length);
  // Reasons and levels choose exits, and threads by them: entries are of all threads, and say nothing of those exits.
  const entryWithoutExit = selectsBy(model.selection, 'reason', 'level') ? 0 : quality.entryWithoutExit;
  const unpaired =
    quality.exitWithoutEntry +
    (quality.openAtEnd > edge ? quality.openAtEnd : 0) +
    (entryWithoutExit > edge ? entryWithoutExit : 0);
  if (unpaired > 0) doubts.push(`${plural(unpaired, 'exit or entry', 'exits or entries')} without partner`);
  if (quality.negativeLatency > 0)
    doubts.push(`${plural(quality.negativeLatency, 'entry', 'entries')} stamped before the exit`);
  if (quality.warnings.some(({ code }) => code === 'delta-times'))
    doubts.push('times are those since the line before (--deltatime), so there are no durations');
  else if (!capture.timeIsNs) doubts.push('the clock has no known unit, so there are no durations');
  const severe = quality.warnings.filter((warning) => warning.severity !== 'info');
  const cutOff = severe.some(({ code }) => code === CUT_OFF);
  if (cutOff) doubts.push('the input is cut off');
  const others = severe.length - (cutOff ? 1 : 0);
  if (others > 0 && doubts.length === (cutOff ? 1 : 0))
    doubts.push(`${plural(others, cutOff ? 'more warning' : 'warning')} about the input, see below`);
  if (quality.exits > 0 && quality.paired === 0 && capture.timeIsNs)
    doubts.push(`none of ${plural(quality.exits, 'exit')} has its entry, so there are no durations`);
  if (quality.exits === 0)
    doubts.unshift(
      model.qemu && model.qemu.exits > 0 ? "no kvm_exit recorded, only QEMU's side" : 'no exits to report',
    );
  if (doubts.length > 0) return { ok: false, reasons: doubts };
  return {
    ok: true,
    reasons: ['no losses', `${formatCount(quality.paired)} of ${plural(quality.exits, 'exit')} paired`],
  };
}

/** How much of the recording losses cover, in words. */
export function affectedWords({ affectedNs, affectedPct }: CaptureModel['lost']): string {
  const share = formatPct(affectedPct);
  return affectedNs === null ? share : `${formatNs(affectedNs)} (${share})`;
}

/** How many events were lost, in words. */
export function describeLost({
  events,
  uncountedRegions,
}: Pick<CaptureModel['lost'], 'events' | 'uncountedRegions'>): string {
  if (events === null) return 'an unknown number of events';
  return `${uncountedRegions > 0 ? 'at least ' : ''}${plural(events, 'event')}`;
}
