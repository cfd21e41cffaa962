/** Made-up reports with slices of time, for tests of comparisons. */
import fc from 'fast-check';
import { createRandom } from '../../src/analysis/bootstrap.ts';
import { CATEGORIES, T_GUEST } from '../../src/analysis/ledger-segment.ts';
import type { SliceReason } from '../../src/analysis/slices.ts';
import { ISA_VMX } from '../../src/core/isa-codes.ts';
import { createTraceContext } from '../../src/core/trace-context.ts';
import type { DiffInput } from '../../src/report/diff/build.ts';
import type { ReasonModel, ReportModel, TotalModel } from '../../src/report/model.ts';
import { plausibleModel, reason, vcpu } from '../fixtures/report-models.ts';

const NAMES: Readonly<Record<number, string>> = { 10: 'CPUID', 12: 'HLT', 30: 'IO_INSTRUCTION' };
/** Exits that scatter over the slices, each with some ns. */
export function sliced(code: number, slices: number, seed: number): SliceReason {
  const random = createRandom(seed);
  const column = (most: number) => Float64Array.from({ length: slices }, () => Math.floor(random() * most));
  const exits = column(40).map((count) => count + 1);
  return {
    ...{ isa: ISA_VMX, code, exits, paired: exits, escalated: exits.map((count) => Math.floor(count / 3)) },
    ns: exits.map((count) => 1000 * count),
    buckets: Uint16Array.of(900, 910),
    histogram: Float64Array.from({ length: 2 * slices }, (_, i) => exits[i >> 1]),
  };
}

export interface Given {
  readonly model: ReportModel;
  readonly slices: number;
  readonly wallNs: number | null;
  readonly guestNs: number;
  /** Codes with slices. */
  readonly sliced: readonly number[];
  readonly userspace: readonly number[];
  readonly ignored: number;
  /** Returns to QEMU that no slices count; absent: no returns. */
  readonly qemuIgnored?: number;
}

export function inputOf(given: Given, seed: number): DiffInput {
  const { model, slices, wallNs, guestNs } = given;
  const sums = new Float64Array(CATEGORIES);
  sums[T_GUEST] = guestNs / 2;
  const row = { tid: 1, pid: 1, vcpu: 0, entries: 1, sums };
  const reasons = given.sliced.map((code) => sliced(code, slices, seed + code));
  const times = { exposure: new Float64Array(slices).fill(1e6), guest: new Float64Array(slices).fill(8e5) };
  const userspace = given.userspace.map((code) => ({ code, count: sliced(code, slices, seed + code).exits }));
  return {
    ...{ context: createTraceContext(), model },
    qemuSlices:
      given.qemuIgnored === undefined
        ? null
        : { exposure: new Float64Array(slices).fill(1e6), reasons: [], ignored: given.qemuIgnored },
    slices: { slices, widthNs: 1e6, ...times, reasons, userspace, ignored: given.ignored },
    ledger: {
      wallNs,
      rows: [row, row],
      halts: 0,
      switches: 0,
      switchesWithoutState: 0,
      wakes: 0,
      ignored: 0,
    },
  };
}

const reasonRow = (escalation: boolean) =>
  fc
    .record({
      code: fc.constantFrom(10, 12, 30),
      exits: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.constant(1)),
      share: fc.constantFrom(0, 0.5, 1),
      ns: fc.integer({ min: 1, max: 100_000 }),
      escalated: fc.constantFrom(0, 0.25, 0.3, 1),
    })
    .map(({ code, exits, share, ns, escalated }): ReasonModel => {
      const paired = Math.floor(share * exits);
      const quantile = (factor: number) => (paired === 0 ? null : ns * factor);
      return reason({
        ...{ name: NAMES[code], code, idle: code === 12, exits, paired, totalNs: paired * ns },
        ...{ p50Ns: quantile(1), p90Ns: quantile(2), p99Ns: quantile(7) },
        escalated: escalation ? Math.floor(escalated * exits) : null,
      });
    });

export function reportOf(reasons: readonly ReasonModel[], rest: Partial<ReportModel> = {}): ReportModel {
  const base = plausibleModel(rest);
  const sum = (rows: readonly ReasonModel[]): TotalModel => ({
    ...base.totals,
    exits: rows.reduce((total, row) => total + row.exits, 0),
    paired: rows.reduce((total, row) => total + row.paired, 0),
    totalNs: rows.reduce((total, row) => total + Number(row.totalNs), 0),
    escalated: base.escalation.known ? rows.reduce((total, row) => total + row.escalated!, 0) : null,
  });
  return {
    ...base,
    reasons: [...reasons],
    totals: sum(reasons),
    busyTotals: sum(reasons.filter(({ idle }) => !idle)),
  };
}

export const given: fc.Arbitrary<Given> = fc.boolean().chain((escalation) =>
  fc
    .record({
      reasons: fc.uniqueArray(reasonRow(escalation), { selector: ({ code }) => code, maxLength: 3 }),
      slices: fc.constantFrom(8, 31, 32, 64, 64, 64),
      wallNs: fc.constantFrom(null, 0, 1e9, 2.5e9, 1e9, 2.5e9),
      guestNs: fc.constantFrom(0, 7e8),
      vcpus: fc.constantFrom(0, 1, 2, 2),
      sliced: fc.oneof(fc.constant([10, 12, 30]), fc.subarray([10, 12, 30])),
      userspace: fc.uniqueArray(fc.constantFrom(2, 5, 6)),
      timeResolutionNs: fc.constantFrom(1, 1000),
    })
    .map(({ reasons, vcpus, timeResolutionNs, ...rest }) => {
      const base = plausibleModel();
      const byUserspaceReason = rest.userspace.map((code) => ({
        ...{ code, name: `KVM_EXIT_${code}`, count: code > 2 ? 50 : 20, userspaceNs: 1 },
      }));
      const model = reportOf(reasons, {
        vcpus: Array.from({ length: vcpus }, (_, i) => vcpu({ tid: i })),
        escalation: { ...base.escalation, known: escalation, byUserspaceReason },
        capture: { ...base.capture, timeResolutionNs },
      });
      return { ...rest, model, ignored: 0 };
    }),
);
