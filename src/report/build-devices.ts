/**
 * Section `devices`: which device accesses go to QEMU and which do not, by port and guest physical address, exit reason
 * and KVM_EXIT reason. What did not need QEMU: accesses without a userspace exit, among them those that an ioeventfd
 * took (kvm_fast_mmio, or an address that QEMU registered one for) and those of devices that KVM emulates itself.
 */

import { A_DIRECTION, A_EVENT, A_HIGH, A_LOW, type AccessResult } from '../analysis/accesses.ts';
import { isDevice } from '../analysis/detail-key.ts';
import {
  D_CODE,
  D_EVENT,
  D_FLAGS,
  D_HIGH,
  D_ISA,
  D_LOW,
  D_USERSPACE,
  DETAIL_CAPACITY,
  type DetailResult,
  DIRECTION_MASK,
  ESCALATED,
} from '../analysis/exit-detail.ts';
import type { ExitTableResult } from '../analysis/exit-table.ts';
import {
  EV_FAST_MMIO,
  EV_MMIO,
  EV_PIO,
  EV_VIRTIO_NOTIFY,
  EV_VIRTIO_NOTIFY_IRQFD,
  EV_VIRTIO_QUEUE_NOTIFY,
} from '../core/events.ts';
import { ISA_ARM64 } from '../core/isa-codes.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { isKernelPort } from '../isa/port-names.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { csvOf } from './csv-data.ts';
import { detailAddress, detailKind, detailName, directionName, hasArmGuests } from './detail-names.ts';
import { deviceBlocks } from './devices-blocks.ts';
import { type ExitFigures, exitFigures, groupRows } from './exit-figures.ts';
import { sum } from './group-sums.ts';
import type { Exact, ReportModel } from './model.ts';
import { orderBy } from './order.ts';
import { reasonIdentity } from './reason-identity.ts';
import { type Known, knowledge } from './recorded.ts';
import type { Section, SectionInput } from './sections.ts';

/**
 * Who answers the accesses of an address: user space, a device that KVM emulates, an ioeventfd; `in kernel`: KVM, but
 * whether by an ioeventfd or as coalesced MMIO is not recorded; `mixed`: not always the same.
 */
export type Handler = 'user space' | 'kernel device' | 'ioeventfd' | 'in kernel' | 'mixed' | 'unknown';

export interface DeviceRowModel extends ExitFigures {
  kind: 'port' | 'mmio';
  direction: 'read' | 'write';
  address: string;
  device: string | null;
  handler: Handler;
  /** Exits that needed no user space: exits − escalated; null when the capture cannot tell. */
  inKernel: number | null;
  /** Of these the ones that KVM traced as kvm_fast_mmio: an ioeventfd for sure. */
  fast: number;
  /** QEMU registered an ioeventfd for the address (kvm_set_ioeventfd_* in the capture). */
  ioeventfd: boolean;
  mayMiss: number;
}

export interface EscalationRowModel {
  isa: string;
  code: number | null;
  name: string;
  userspaceCode: number;
  userspaceName: string;
  kind: string;
  direction: 'read' | 'write' | null;
  /** null: no detail was recorded for these exits. */
  address: string | null;
  device: string | null;
  count: number;
  restarts: number;
  kernelNs: Exact | null;
  userspaceNs: Exact | null;
}

export interface DevicesModel {
  /** False: neither kvm_pio nor kvm_mmio nor kvm_fast_mmio was recorded. */
  known: boolean;
  escalationKnown: boolean;
  rows: DeviceRowModel[];
  /** Every escalated exit is in exactly one row: exit reason × KVM_EXIT reason × device. */
  escalations: EscalationRowModel[];
  /** Accesses recorded, with or without an exit around them; an MMIO read that user space answers is one. */
  accesses: {
    kind: 'port' | 'mmio';
    direction: 'read' | 'write';
    address: string;
    device: string | null;
    count: number;
  }[];
  ioeventfds: { kind: 'port' | 'mmio'; address: string; registrations: number }[];
  /** QEMU's virtio events; null: not recorded. */
  virtio: { queueNotify: number | null; notify: number | null; notifyIrqfd: number | null };
}

/** Addresses (`port 0x70`) with an ioeventfd, and names that QEMU has for addresses. */
interface QemuSide {
  readonly ioeventfds: ReadonlySet<string>;
  readonly names: ReadonlyMap<string, string>;
}

function build(input: SectionInput): Partial<ReportModel> | null {
  const { context, analysis, model } = input;
  const result = analysis.passes.detail as DetailResult | undefined;
  const access = analysis.passes.accesses as AccessResult | undefined;
  if (result === undefined || access === undefined) return null;
  const known = knowledge(input);
  const { counts, markerCounts } = analysis.summary;
  const recorded = (event: number) =>
    counts[event] + markerCounts[event] > 0 ? counts[event] + markerCounts[event] : null;
  const side = qemuSide(access, context.strings.values);
  const isArm = hasArmGuests(model.capture);
  const devices: DevicesModel = {
    known: counts[EV_PIO] + counts[EV_MMIO] + counts[EV_FAST_MMIO] > 0,
    escalationKnown: known.escalation,
    rows: deviceRows(result.details, known, side, isArm),
    escalations: known.escalation ? escalationRows(context, result.details, known, side) : [],
    accesses: accessRows(access, side, isArm),
    ioeventfds: ioeventfdRows(access),
    virtio: {
      queueNotify: recorded(EV_VIRTIO_QUEUE_NOTIFY),
      notify: recorded(EV_VIRTIO_NOTIFY),
      notifyIrqfd: recorded(EV_VIRTIO_NOTIFY_IRQFD),
    },
  };
  return { devices };
}

function qemuSide({ ioeventfds, regions }: AccessResult, strings: readonly string[]): QemuSide {
  const at = (keys: Int32Array, row: number) => detailAddress(keys[3 * row], keys[3 * row + 1]);
  const names = new Map<string, string>();
  for (let row = 0; row < regions.rows; row++) {
    const name = strings[regions.keys[3 * row + 2]];
    if (name !== undefined) names.set(at(regions.keys, row), name);
  }
  return {
    ioeventfds: new Set(
      [...Array(ioeventfds.rows).keys()].map(
        (row) => `${ioeventfds.keys[3 * row + 2] === 1 ? 'port' : 'mmio'} ${at(ioeventfds.keys, row)}`,
      ),
    ),
    names,
  };
}

const byPlace = orderBy<Pick<DeviceRowModel, 'address' | 'kind' | 'direction'>>(
  'address',
  'kind',
  'direction',
);
const byIdentity = orderBy<EscalationRowModel>(
  'isa',
  'code',
  'name',
  'userspaceCode',
  'kind',
  'address',
  'direction',
);

const kindOf = (event: number): 'port' | 'mmio' => (event === EV_PIO ? 'port' : 'mmio');

function deviceRows(table: ExitTableResult, known: Known, side: QemuSide, isArm: boolean): DeviceRowModel[] {
  const { keys, keyInts, rows, sums, missed } = table;
  const key = (row: number, i: number) => keys[row * keyInts + i];
  const groups = groupRows(rows, (row) => {
    const event = key(row, D_EVENT);
    return isDevice(event)
      ? `${kindOf(event)} ${key(row, D_FLAGS) & DIRECTION_MASK} ${key(row, D_LOW)} ${key(row, D_HIGH)}`
      : null;
  });
  return [...groups.values()]
    .map((members): DeviceRowModel => {
      const [row] = members;
      const kind = kindOf(key(row, D_EVENT));
      const address = detailAddress(key(row, D_LOW), key(row, D_HIGH));
      const figures = exitFigures(sums, members, known);
      const fast = sum(
        sums.exits,
        members.filter((member) => key(member, D_EVENT) === EV_FAST_MMIO),
      );
      const ioeventfd = side.ioeventfds.has(`${kind} ${address}`);
      const device = nameOf(key(row, D_EVENT), key(row, D_LOW), key(row, D_HIGH), isArm, side);
      return {
        kind,
        direction: directionName(key(row, D_FLAGS) & DIRECTION_MASK)!,
        address,
        device,
        handler: handlerOf(kind, key(row, D_LOW), device, figures, fast, ioeventfd),
        inKernel: figures.escalated === null ? null : figures.exits - figures.escalated,
        fast,
        ioeventfd,
        ...figures,
        mayMiss: sum(missed, members),
      };
    })
    .sort((a, b) => b.exits - a.exits || byPlace(a, b));
}

function nameOf(event: number, low: number, high: number, isArm: boolean, side: QemuSide): string | null {
  return side.names.get(detailAddress(low, high)) ?? detailName(detailKind(event), low, high, isArm);
}

function handlerOf(
  kind: 'port' | 'mmio',
  port: number,
  device: string | null,
  { exits, escalated, restarts, errors }: ExitFigures,
  fast: number,
  ioeventfd: boolean,
): Handler {
  if (fast === exits) return 'ioeventfd';
  if (escalated === null) return 'unknown';
  // An exit that was interrupted on its way out needed user space as well.
  const left = exits - escalated - fast - (restarts ?? 0) - (errors ?? 0);
  if (escalated > 0) return left > 0 || fast > 0 ? 'mixed' : 'user space';
  if (ioeventfd) return 'ioeventfd';
  const own = kind === 'port' ? isKernelPort(port) : device !== null && /^(LAPIC|IOAPIC|GIC)/.test(device);
  return own ? 'kernel device' : 'in kernel';
}

function escalationRows(
  context: TraceContext,
  table: ExitTableResult,
  known: Known,
  side: QemuSide,
): EscalationRowModel[] {
  const { keys, keyInts, rows, sums } = table;
  const key = (row: number, i: number) => keys[row * keyInts + i];
  const found: EscalationRowModel[] = [];
  for (let row = 0; row < rows; row++) {
    if ((key(row, D_FLAGS) & ESCALATED) === 0) continue;
    const isa = key(row, D_ISA);
    const code = key(row, D_CODE) >>> 0;
    const event = key(row, D_EVENT);
    const { escalated, restarts, kernelNs, userspaceNs } = exitFigures(sums, [row], known);
    found.push({
      ...reasonIdentity(context, isa, code),
      userspaceCode: key(row, D_USERSPACE) >>> 0,
      userspaceName: userspaceExitName(key(row, D_USERSPACE)),
      kind: detailKind(event),
      direction: directionName(key(row, D_FLAGS) & DIRECTION_MASK),
      address: event === 0 ? null : detailAddress(key(row, D_LOW), key(row, D_HIGH)),
      device: event === 0 ? null : nameOf(event, key(row, D_LOW), key(row, D_HIGH), isa === ISA_ARM64, side),
      count: escalated ?? 0,
      restarts: restarts ?? 0,
      kernelNs,
      userspaceNs,
    });
  }
  return found.sort(
    (a, b) =>
      b.count - a.count || Number(b.userspaceNs ?? 0) - Number(a.userspaceNs ?? 0) || byIdentity(a, b),
  );
}

function accessRows({ accesses }: AccessResult, side: QemuSide, isArm: boolean): DevicesModel['accesses'] {
  return [...Array(accesses.rows).keys()]
    .map((row) => {
      const key = (i: number) => accesses.keys[4 * row + i];
      return {
        kind: kindOf(key(A_EVENT)),
        direction: directionName(key(A_DIRECTION))!,
        address: detailAddress(key(A_LOW), key(A_HIGH)),
        device: nameOf(key(A_EVENT), key(A_LOW), key(A_HIGH), isArm, side),
        count: accesses.counts[row],
      };
    })
    .sort((a, b) => b.count - a.count || byPlace(a, b));
}

function ioeventfdRows({ ioeventfds }: AccessResult): DevicesModel['ioeventfds'] {
  const rows = [...Array(ioeventfds.rows).keys()].map((row): DevicesModel['ioeventfds'][number] => ({
    kind: ioeventfds.keys[3 * row + 2] === 1 ? 'port' : 'mmio',
    address: detailAddress(ioeventfds.keys[3 * row], ioeventfds.keys[3 * row + 1]),
    registrations: ioeventfds.counts[row],
  }));
  return rows.sort(orderBy('kind', 'address'));
}

export const devicesSection: Section = {
  id: 'devices',
  byDefault: true,
  requests: () => [
    { name: 'detail', options: { capacity: DETAIL_CAPACITY } },
    { name: 'accesses', options: null },
  ],
  build,
  blocks: deviceBlocks,
  csv: {
    devices: (model) =>
      csvOf(
        [
          'kind',
          'direction',
          'address',
          'device',
          'handler',
          'exits',
          'paired',
          'escalated',
          'inKernel',
          'fast',
          'ioeventfd',
          'restarts',
          'errors',
          'totalNs',
          'minNs',
          'avgNs',
          'maxNs',
          'kernelNs',
          'userspaceNs',
          'mayMiss',
        ],
        model.devices?.rows,
      ),
    escalations: (model) =>
      csvOf(
        [
          'isa',
          'code',
          'name',
          'userspaceCode',
          'userspaceName',
          'kind',
          'direction',
          'address',
          'device',
          'count',
          'restarts',
          'kernelNs',
          'userspaceNs',
        ],
        model.devices?.escalations,
      ),
    accesses: (model) => csvOf(['kind', 'direction', 'address', 'device', 'count'], model.devices?.accesses),
  },
};
