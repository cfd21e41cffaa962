/** What changed on QEMU's side: returns of KVM_RUN and QEMU's time for them. */
import { spreadOf } from '../../analysis/bootstrap.ts';
import { toExact } from '../../analysis/exact-sum.ts';
import { plural } from '../../core/units.ts';
import { userspaceExitName } from '../../isa/userspace-exits.ts';
import type { QemuModel } from '../build-qemu.ts';
import type { Exact } from '../model.ts';
import type { Side } from './build.ts';
import { type Estimate, makeFigure, type Pending, perUnit } from './figures.ts';
import type { DiffQemuModel } from './model.ts';

type Qemu = QemuModel | null | undefined;

/** vCPUs that returned to QEMU. */
export function qemuVcpus(qemu: Qemu): number {
  return new Set(qemu?.rows.map(({ pid, tid, vcpu }) => `${pid ?? `- ${tid}`} ${vcpu}`)).size;
}

/** What makes QEMU's numbers doubtful. */
export function qemuNotes(name: string, qemu: Qemu): string[] {
  if (!qemu?.droppedEvents) return [];
  return [
    `"${name}": QEMU dropped ${plural(qemu.droppedEvents, 'event')}, so its returns are too few and its time is not known.`,
  ];
}

export function qemuRows(pending: Pending[], before: Side, after: Side): DiffQemuModel[] {
  const sides = [before, after] as const;
  if (!sides.every(({ input }) => input.model.qemu && input.model.qemu.exits > 0)) return [];
  const codes = new Set(sides.flatMap(({ input }) => input.model.qemu!.rows.map(({ code }) => code)));
  return [...codes]
    .map((code): DiffQemuModel => {
      const [a, b] = sides.map((side) => estimatesOf(side, code));
      return {
        code,
        name: userspaceExitName(code),
        before: a.counts,
        after: b.counts,
        costNs: makeFigure(pending, a.costNs, b.costNs),
        rate: makeFigure(pending, a.rate, b.rate),
      };
    })
    .sort(
      (a, b) =>
        Math.abs(b.costNs.change ?? 0) - Math.abs(a.costNs.change ?? 0) ||
        Math.abs(b.rate.change ?? 0) - Math.abs(a.rate.change ?? 0) ||
        a.code - b.code,
    );
}

interface Estimates {
  readonly counts: { count: number; totalNs: Exact | null };
  readonly costNs: Estimate;
  readonly rate: Estimate;
}

function estimatesOf({ input, basisNs }: Side, code: number): Estimates {
  const { rows, handlingKnown, droppedEvents } = input.model.qemu!;
  const own = rows.filter((row) => row.code === code);
  const count = own.reduce((sum, row) => sum + row.count, 0);
  const known = handlingKnown && droppedEvents === 0;
  const totalNs = known ? own.reduce((sum, { handling }) => sum + BigInt(handling?.totalNs ?? 0), 0n) : null;
  const { exposure, reasons } = input.qemuSlices!;
  const slices = reasons.find((reason) => reason.code === code);
  const spread = slices ? spreadOf(slices, { exposure, guest: new Float64Array(exposure.length) }) : null;
  const per = (sum: number | null, relative: number | undefined) =>
    perUnit(sum, basisNs, relative, spread?.blocks ?? exposure.length, exposure.length);
  return {
    counts: { count, totalNs: totalNs === null ? null : toExact(totalNs) },
    costNs: per(totalNs === null ? null : Number(totalNs), spread?.cost),
    rate: per(count, spread?.rate),
  };
}
