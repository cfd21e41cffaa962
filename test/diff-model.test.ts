/** The values and intervals of a comparison, and the order of its rows, by the words of docs/diff.md. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Spread, spreadOf, sumReasons } from '../src/analysis/bootstrap.ts';
import type { SliceReason } from '../src/analysis/slices.ts';
import { studentQuantile } from '../src/analysis/student.ts';
import { buildDiff, type DiffInput } from '../src/report/diff/build.ts';
import type { DiffFigure, DiffFigures } from '../src/report/diff/model.ts';
import type { TotalModel } from '../src/report/model.ts';
import { type Given, given, inputOf } from './support/made-up-diff.ts';
import { isOrdered } from './support/made-up-exits.ts';

const KEYS = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
type Key = (typeof KEYS)[number];
type Row = Pick<TotalModel, 'exits' | 'paired' | 'totalNs' | 'escalated' | 'p50Ns' | 'p90Ns' | 'p99Ns'>;

/** Value and standard error of a figure, as docs/diff.md has them; NaN: how far it scatters is not known. */
function estimate(
  side: Given,
  key: Key,
  row: Row | undefined,
  slices: SliceReason | null,
  input: DiffInput,
  work: number | null,
) {
  // The ledger has two vCPUs, whichever exits were chosen.
  const vcpuNs =
    side.wallNs && side.model.vcpus.length ? side.wallNs * Math.max(2, side.model.vcpus.length) : null;
  const basisNs = work === null ? vcpuNs : 1e9 * work;
  const guestNs = side.wallNs && side.guestNs ? side.guestNs : null;
  const exits = row?.exits ?? 0;
  const spread: Spread | null = slices && exits > 0 ? spreadOf(slices, input.slices) : null;
  const blocks = spread?.blocks ?? side.slices;
  const perSecond = (sum: number | null, time: number | null, relative: number | undefined) => {
    const value = sum === null || time === null ? null : (1e9 * sum) / time;
    const nothing = sum === 0 && side.slices >= 32;
    const error = nothing ? 0 : (value ?? Number.NaN) * (relative ?? Number.NaN);
    return { value, error, blocks, size: time };
  };
  const quantile = (value: number | null | undefined, i: number) => ({
    value: value ?? null,
    error: Math.hypot(
      spread?.quantiles[i] ?? Number.NaN,
      side.model.capture.timeResolutionNs / Math.sqrt(12),
    ),
    blocks,
    size: null,
  });
  const unpaired = exits > 0 && row!.paired === 0;
  const known = side.model.escalation.known && exits > 0;
  switch (key) {
    case 'costNs':
      return perSecond(unpaired ? null : Number(row?.totalNs ?? 0), basisNs, spread?.cost);
    case 'rate':
      return perSecond(exits, basisNs, spread?.rate);
    case 'guestRate':
      return perSecond(exits, guestNs, spread?.guestRate);
    case 'escalation':
      return {
        value: known ? row!.escalated! / exits : null,
        error: spread?.escalation ?? Number.NaN,
        blocks,
        size: exits,
      };
    default:
      return quantile(row?.[key], ['p50Ns', 'p90Ns', 'p99Ns'].indexOf(key));
  }
}

type Estimated = Pick<ReturnType<typeof estimate>, 'value' | 'error' | 'blocks' | 'size'>;

function expectFigure(figure: DiffFigure, a: Estimated, b: Estimated, figures: number): void {
  const close = (found: number | null, wanted: number | null) => {
    if (found === null || wanted === null) expect(found).toBe(wanted);
    else expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(wanted)));
  };
  close(figure.before, a.value);
  close(figure.after, b.value);
  const change = a.value === null || b.value === null ? null : b.value - a.value;
  close(figure.change, change);
  close(figure.changePct, change === null || !a.value ? null : (100 * change) / a.value);
  // Each side's scatter over as little as the other side has: the larger one's square grows as its share shrinks.
  const [x, y] = a.size && b.size && a.size < b.size ? [b, a] : [a, b];
  const shared = x.size && y.size ? x.error ** 2 * (x.size / y.size) : 0;
  const error = Math.sqrt(Math.max(a.error ** 2 + b.error ** 2, shared));
  if (change === null || Number.isNaN(error)) {
    expect([figure.low, figure.high, figure.verdict]).toEqual([null, null, 'unknown']);
    return;
  }
  const margin = error * studentQuantile(0.05 / (2 * figures), Math.min(a.blocks, b.blocks) - 1);
  close(figure.low, change - margin);
  close(figure.high, change + margin);
  expect(figure.verdict).toBe(figure.low! > 0 ? 'higher' : figure.high! < 0 ? 'lower' : 'noise');
}

/** Units of work done in both. */
const works = fc.record({
  before: fc.integer({ min: 1, max: 1e6 }),
  after: fc.integer({ min: 1, max: 1e6 }),
});

test('values and intervals are those of docs/diff.md', () => {
  fc.assert(
    fc.property(given, given, fc.option(works), (before, after, work) => {
      const sides = [before, after];
      const inputs = sides.map((side, i) => inputOf(side, 1000 * i));
      const model = buildDiff(inputs[0], inputs[1], '0', work);
      const amounts = [work?.before ?? null, work?.after ?? null];
      const slicesOf = (i: number, code: number) =>
        inputs[i].slices.reasons.find((row) => row.code === code) ?? null;
      let judged = 0;
      const check = (
        row: DiffFigures,
        rows: readonly (Row | undefined)[],
        slices: readonly (SliceReason | null)[],
      ) => {
        for (const key of KEYS) {
          const [a, b] = sides.map((side, i) =>
            estimate(side, key, rows[i], slices[i], inputs[i], amounts[i]),
          );
          expectFigure(row[key], a, b, model.method.figures);
          if (row[key].verdict !== 'unknown') judged++;
        }
        for (const [i, side] of (['before', 'after'] as const).entries()) {
          const { exits = 0, paired = 0, totalNs = 0 } = rows[i] ?? {};
          const none = sides[i].model.escalation.known ? 0 : null;
          expect(row[side]).toEqual({
            exits,
            paired,
            totalNs,
            escalated: rows[i] ? rows[i]!.escalated : none,
          });
        }
      };
      for (const row of model.reasons)
        check(
          row,
          sides.map((side) => side.model.reasons.find(({ code }) => code === row.code)),
          [slicesOf(0, row.code!), slicesOf(1, row.code!)],
        );
      for (const key of ['totals', 'busyTotals'] as const)
        check(
          model[key],
          sides.map((side) => side.model[key]),
          sides.map((side, i) =>
            sumReasons(
              side.model.reasons
                .filter(({ idle }) => key === 'totals' || !idle)
                .flatMap(({ code }) => slicesOf(i, code!) ?? []),
              side.slices,
            ),
          ),
        );
      expect(judged + model.userspace.filter(({ rate }) => rate.verdict !== 'unknown').length).toBe(
        model.method.figures,
      );
      const codes = sides.flatMap((side) => side.model.reasons.map(({ code }) => code));
      expect(new Set(model.reasons.map(({ code }) => code))).toEqual(new Set(codes));
      const size = ({ costNs, rate }: DiffFigures) => Math.abs(costNs.change ?? rate.change ?? 0);
      const exits = (row: DiffFigures) => row.before.exits + row.after.exits;
      expect(
        isOrdered(
          model.reasons,
          (a, b) =>
            Number(a.idle) - Number(b.idle) ||
            size(b) - size(a) ||
            exits(b) - exits(a) ||
            (a.name < b.name ? -1 : 1),
        ),
      ).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('escalations by KVM_EXIT reason: those of either recording, if both know of them', () => {
  fc.assert(
    fc.property(given, given, (before, after) => {
      const sides = [before, after];
      const inputs = sides.map((side, i) => inputOf(side, 1000 * i));
      const { userspace, method } = buildDiff(inputs[0], inputs[1], '0');
      const known = sides.every((side) => side.model.escalation.known);
      const codes = new Set(known ? sides.flatMap((side) => side.userspace) : []);
      expect(new Set(userspace.map(({ code }) => code))).toEqual(codes);
      for (const { code, name, rate, ...counts } of userspace) {
        expect(name).toBe(`KVM_EXIT_${code}`);
        const [a, b] = sides.map((side, i): Estimated => {
          const rows = side.model.escalation.byUserspaceReason;
          const exits = rows.find((row) => row.code === code)?.count ?? 0;
          expect(counts[i === 0 ? 'before' : 'after']).toBe(exits);
          // As the rate of an exit reason whose exits are these.
          const column = inputs[i].slices.userspace.find((row) => row.code === code)?.count;
          const none = new Float64Array(side.slices);
          const own = column && { ...sumReasons([], side.slices), isa: -1, code, exits: column, ns: none };
          const { value, blocks, size } = estimate(side, 'rate', { exits } as Row, null, inputs[i], null);
          if (exits === 0 || !own) return { value, error: side.slices >= 32 ? 0 : Number.NaN, blocks, size };
          const spread = spreadOf(own, inputs[i].slices);
          return { value, error: (value ?? Number.NaN) * spread.rate, blocks: spread.blocks, size };
        });
        expectFigure(rate, a, b, method.figures);
      }
      const size = ({ rate }: { rate: DiffFigure }) => Math.abs(rate.change ?? 0);
      expect(
        isOrdered(
          userspace,
          (a, b) => size(b) - size(a) || b.before + b.after - a.before - a.after || a.code - b.code,
        ),
      ).toBe(true);
    }),
    { numRuns: 40 },
  );
});
