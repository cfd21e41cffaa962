/** Whether advice may rest on how long exits took. */
import type { ReportModel } from '../model.ts';

/** A clock that stands still for longer than most exits take (clock uptime: 10 ms) does not tell how long one took. */
const COARSEST_NS = 100_000;
/** Members of sampled groups have their leader's time; of sampled tracepoints an entry may be that of a later exit. */
const DOUBTFUL: ReadonlySet<string> = new Set(['leader-sampled-group', 'sampled-tracepoints']);

const mislead = ({ capture, quality }: ReportModel): boolean =>
  capture.timeResolutionNs > COARSEST_NS || quality.warnings.some(({ code }) => DOUBTFUL.has(code));

export const timesTell = (model: ReportModel): boolean => model.totals.totalNs !== null && !mislead(model);

/** The report as rules are to see it: without times that would mislead. */
export function forAdvice(model: ReportModel): ReportModel {
  if (!mislead(model)) return model;
  const { reasons, busyTotals, detail, devices, escalation, ledger: _, ...rest } = model;
  const untimed = { totalNs: null, minNs: null, avgNs: null, maxNs: null, kernelNs: null, userspaceNs: null };
  return {
    ...rest,
    reasons: reasons.map((row) => ({
      ...row,
      ...{ totalNs: null, minNs: null, avgNs: null, maxNs: null, guestKernelTimePct: null, histogram: [] },
    })),
    escalation: {
      ...escalation,
      ...{ kernelNs: null, userspaceNs: null },
      byReason: escalation.byReason.map((row) => ({ ...row, kernelNs: null, userspaceNs: null })),
      byUserspaceReason: escalation.byUserspaceReason.map((row) => ({ ...row, userspaceNs: null })),
    },
    busyTotals: { ...busyTotals, totalNs: null, minNs: null, avgNs: null, maxNs: null, timePct: null },
    ...(detail && { detail: { ...detail, rows: detail.rows.map((row) => ({ ...row, ...untimed })) } }),
    ...(devices && { devices: { ...devices, rows: devices.rows.map((row) => ({ ...row, ...untimed })) } }),
  };
}
