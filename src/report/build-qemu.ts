/** Section `qemu`: exits as QEMU itself saw them, and whether the kernel's and QEMU's words agree. */
import type { QemuCheckResult, QemuCheckRow } from '../analysis/qemu-check.ts';
import { NO_ACCESS, OTHERS } from '../analysis/qemu-devices.ts';
import type { QemuDeviceResult, QemuExitResult, QemuExitRow } from '../analysis/qemu-exit-result.ts';
import { vcpuOfThread } from '../core/thread-table.ts';
import { formatCount, plural } from '../core/units.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { csvOf } from './csv-data.ts';
import { detailAddress } from './detail-names.ts';
import type { Exact, ReportModel } from './model.ts';
import type { Block, Section, SectionInput } from './sections.ts';

/** What the filters choose, but for `check`, which is over the whole recording. */
export interface QemuModel {
  /** kvm_run_exit events. */
  exits: number;
  /** By vCPU and KVM_EXIT reason, most frequent first; `handling`: kvm_run_exit → the next KVM_RUN, in ns. */
  rows: (QemuExitRow & { name: string })[];
  /** False: kvm_vcpu_ioctl was not recorded, how long QEMU took is unknown. */
  handlingKnown: boolean;
  interruptedRuns: number;
  exitsWithoutRun: number;
  invalidated: number;
  backwards: number;
  droppedEvents: number;
  unplaced: number;
  /** kvm_run_exit events that a filter for threads left out because the recording does not tell theirs. */
  threadUnknown: number;
  /** What QEMU took its time for, costliest first; null: memory_region_ops_* or kvm_vcpu_ioctl was not recorded. */
  devices: QemuDeviceModel[] | null;
  /** The kernel's kvm_userspace_exit (without restarts and errors) against QEMU's kvm_run_exit; null: only one side. */
  check: {
    agrees: boolean;
    matched: number;
    kernelOnly: number;
    qemuOnly: number;
    /** At the ends of the time in which both were recorded. */
    edges: number;
    /** Of either side, compared with nothing: of an unknown thread, or of more threads than are kept. */
    leftOut: number;
    rows: (QemuCheckRow & { vcpu: number; comm: string | null })[];
  } | null;
}

/** Exits whose first access to a memory region, before KVM_RUN was called again, was to this one. */
export interface QemuDeviceModel {
  /** `none`: no access was recorded after these exits; `others`: what the table has no room for. */
  kind: 'region' | 'none' | 'others';
  /** QEMU's name for the region; null: it has none, or the version does not record it. */
  device: string | null;
  direction: 'read' | 'write' | null;
  /** Lowest and highest. */
  address: string | null;
  lastAddress: string | null;
  /** KVM_EXIT_*; null for `others`. */
  code: number | null;
  name: string | null;
  count: number;
  totalNs: Exact;
  avgNs: number;
  maxNs: number;
}

type ChosenExits = Omit<QemuExitResult, 'recorded' | 'selectable'>;

function build({ context, analysis }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.qemu as QemuExitResult | undefined;
  const check = analysis.passes['qemu-check'] as QemuCheckResult | undefined;
  if (result === undefined) return null;
  const { recorded, selectable, ...chosen } = result;
  if (recorded === 0) return {};
  if (!selectable) return { qemu: null };
  const told = context.timeIsNs ? chosen : withoutTimes(chosen);
  const qemu: QemuModel = {
    ...told,
    rows: told.rows.map((row) => ({ ...row, name: userspaceExitName(row.code) })),
    devices: deviceRows(told.devices, context.strings.values),
    check: check && check.kernelExits > 0 && check.qemuExits > 0 ? compare(check, context) : null,
  };
  return { qemu };
}

/** Of a log without -msg timestamp=on, whose "times" only tell the order. */
function withoutTimes(result: ChosenExits): ChosenExits {
  return {
    ...result,
    rows: result.rows.map((row) => ({ ...row, perSecond: null, handling: null, inKvm: null })),
    handlingKnown: false,
    devices: null,
    backwards: 0,
    invalidated: 0,
  };
}

function deviceRows(
  devices: readonly QemuDeviceResult[] | null,
  strings: readonly string[],
): QemuModel['devices'] {
  return (
    devices?.map(({ text, code, write, from, to, pairs, totalNs, avgNs, maxNs }): QemuDeviceModel => {
      const isRegion = text !== NO_ACCESS && text !== OTHERS;
      const [address, lastAddress] = [detailAddress(...from), detailAddress(...to)];
      return {
        kind: isRegion ? 'region' : text === OTHERS ? 'others' : 'none',
        device: isRegion ? (strings[text] ?? null) : null,
        direction: isRegion ? (write ? 'write' : 'read') : null,
        address: isRegion ? address : null,
        lastAddress: isRegion && lastAddress !== address ? lastAddress : null,
        code: text === OTHERS ? null : code,
        name: text === OTHERS ? null : userspaceExitName(code),
        ...{ count: pairs, totalNs, avgNs, maxNs },
      };
    }) ?? null
  );
}

/** Brings QEMU's word of a vCPU together with the thread of that name where events alone did not tell. */
function compare(check: QemuCheckResult, context: SectionInput['context']): NonNullable<QemuModel['check']> {
  const rows = check.rows.map((row) => {
    const info = row.tid >= 0 ? context.threads.byTid.get(row.tid) : undefined;
    return { ...row, vcpu: row.vcpu >= 0 || !info ? row.vcpu : vcpuOfThread(info), comm: info?.comm ?? null };
  });
  const sum = (key: 'matched' | 'kernelOnly' | 'qemuOnly' | 'edges') =>
    rows.reduce((total, row) => total + row[key], 0);
  const kernelOnly = sum('kernelOnly');
  const qemuOnly = sum('qemuOnly');
  return {
    agrees: kernelOnly + qemuOnly === 0 && sum('matched') > 0,
    matched: sum('matched'),
    kernelOnly,
    qemuOnly,
    edges: sum('edges'),
    leftOut: check.leftOut,
    rows,
  };
}

const BRIEF_ROWS = 10;

/** `408.5`, `2,623`: as many digits as tell something. */
function rateOf(perSecond: number | null): string | null {
  if (perSecond === null) return null;
  return perSecond < 1000 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));
}

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { qemu } = model;
  const instead = (sentence: string): Block[] => [
    { title: "QEMU's side", sentences: [sentence], table: null },
  ];
  if (qemu === null)
    return instead(
      'Left out: the filters choose by exit reason, level or CPU, and events of QEMU tell none of them. -p, -v, --from and --to apply to both sides.',
    );
  if (qemu === undefined) return asked ? instead('Not recorded: no kvm_run_exit in the capture.') : [];
  const limit = asked ? rows : BRIEF_ROWS;
  const owner = ownerOf(qemu);
  return [
    {
      title: "QEMU's side: KVM_RUN returned to it",
      sentences: [
        returnsSentence(qemu, model.capture.timeIsNs),
        ...(qemu.droppedEvents > 0
          ? [
              `QEMU dropped ${plural(qemu.droppedEvents, 'event')}: ${formatCount(qemu.invalidated)} times are left out.`,
            ]
          : []),
        ...(model.capture.timeIsNs ? leftOut(qemu) : unplacedOf(qemu)),
        ...(qemu.threadUnknown > 0
          ? [
              `${plural(qemu.threadUnknown, 'return')} of unknown threads left out: QEMU's recording does not tell them (-v and -p choose by what it tells).`,
            ]
          : []),
        ...(qemu.check ? [(model.selection ? 'Without filters: ' : '') + checkSentence(qemu.check)] : []),
      ],
      table:
        qemu.rows.length === 0
          ? null
          : tableOf(
              [
                ...(owner === null ? [] : [right(owner)]),
                right('vCPU'),
                left('KVM_RUN returned with', { shrinkTo: 14 }),
                right('count'),
                right('%', { gap: 1 }),
                right('per second', { drop: 1 }),
                right('QEMU total'),
                right('avg'),
                right('p99', { drop: 2 }),
                right('max', { drop: 3 }),
              ],
              qemu.rows,
              limit,
              (row) => [
                ...(owner === null ? [] : [plain(row[owner])]),
                plain(row.vcpu),
                cell(row.name),
                count(row.count),
                share(row.count, qemu.exits),
                plain(rateOf(row.perSecond)),
                time(row.handling?.totalNs ?? null),
                time(row.handling?.avgNs ?? null),
                time(row.handling?.p99Ns ?? null),
                time(row.handling?.maxNs ?? null),
              ],
            ),
    },
    ...(qemu.devices && qemu.devices.length > 0 ? [deviceBlock(qemu.devices, limit)] : []),
    ...(qemu.check && (asked || !qemu.check.agrees) ? [checkBlock(qemu.check, limit)] : []),
  ];
}

/** What tells the rows of several virtual machines apart; null where vCPU numbers do. */
function ownerOf({ rows }: QemuModel): 'pid' | 'tid' | null {
  const differ = (key: 'pid' | 'tid') =>
    rows.some(({ vcpu, [key]: id }) => rows.some((other) => other.vcpu === vcpu && other[key] !== id));
  return differ('pid') ? 'pid' : differ('tid') ? 'tid' : null;
}

function returnsSentence({ exits, handlingKnown, interruptedRuns }: QemuModel, timeIsNs: boolean): string {
  const returns = plural(exits, 'return');
  if (!timeIsNs) return `${returns}; how long QEMU took is not known, as the clock has no unit.`;
  if (!handlingKnown)
    return `${returns}; how long QEMU took is not recorded (its event kvm_vcpu_ioctl would tell).`;
  return interruptedRuns === 0
    ? `${returns}.`
    : `${returns}; ${plural(interruptedRuns, 'more call')} of KVM_RUN without one: interrupted by a signal, or made while kvm_run_exit was not enabled.`;
}

function deviceBlock(devices: readonly QemuDeviceModel[], rows: number): Block {
  const total = devices.reduce((sum, { totalNs }) => sum + Number(totalNs), 0);
  return {
    title: null,
    sentences: ["What QEMU's time was for: the first memory region that it accessed after each exit."],
    table: tableOf(
      [
        left('region', { shrinkTo: 15 }),
        left('access', { drop: 4 }),
        left('address', { drop: 3 }),
        left('KVM_EXIT reason', { shrinkTo: 15, drop: 5 }),
        right('count'),
        right('QEMU total'),
        right('%', { gap: 1 }),
        right('avg'),
        right('max', { drop: 1 }),
      ],
      devices,
      rows,
      (row) => [
        row.kind === 'region'
          ? foreign(row.device)
          : cell(row.kind === 'none' ? '(none recorded)' : '(others)'),
        plain(row.direction),
        plain(row.lastAddress === null ? row.address : `${row.address}–${row.lastAddress}`),
        plain(row.name),
        count(row.count),
        time(row.totalNs),
        share(Number(row.totalNs), total),
        time(row.avgNs),
        time(row.maxNs),
      ],
    ),
  };
}

/** What has no time, or is in no row, for another reason than drops. */
function leftOut(qemu: QemuModel): string[] {
  const { exitsWithoutRun, backwards } = qemu;
  const times = [
    ...(exitsWithoutRun > 0
      ? [
          `${formatCount(exitsWithoutRun)} without a KVM_RUN after them (lost, or kvm_vcpu_ioctl was not enabled)`,
        ]
      : []),
    ...(backwards > 0 ? [`${formatCount(backwards)} whose clock ran backwards or far ahead`] : []),
  ];
  return [...(times.length > 0 ? [`Without a time: ${times.join(', ')}.`] : []), ...unplacedOf(qemu)];
}

function unplacedOf({ unplaced }: QemuModel): string[] {
  return unplaced > 0
    ? [`${plural(unplaced, 'return')} named no vCPU, or one of more than are kept, and are in no row.`]
    : [];
}

/** Exported for its test. */
export function checkSentence({
  agrees,
  matched,
  kernelOnly,
  qemuOnly,
  edges,
  leftOut,
}: NonNullable<QemuModel['check']>): string {
  const beside = leftOut > 0 ? ` ${plural(leftOut, 'return')} of no known thread left out.` : '';
  if (matched + kernelOnly + qemuOnly === 0)
    return `The kernel's kvm_userspace_exit and QEMU's kvm_run_exit could not be compared: no exit or entry tells which thread is which vCPU, those of several machines have the same number, or the two were not recorded at the same time.${beside}`;
  const at = edges > 0 ? ` (and ${formatCount(edges)} while only one side was recording)` : '';
  return agrees
    ? `The kernel's kvm_userspace_exit and QEMU's kvm_run_exit agree one to one: ${formatCount(matched)} pairs${at}.${beside}`
    : `The kernel's kvm_userspace_exit and QEMU's kvm_run_exit do not agree: ${formatCount(matched)} pairs, ${formatCount(kernelOnly)} of the kernel's and ${formatCount(qemuOnly)} of QEMU's without the other${at}; clocks may differ, or one side lost events.${beside}`;
}

function checkBlock(check: NonNullable<QemuModel['check']>, rows: number): Block {
  return {
    title: null,
    sentences: ['Both sides by thread; QEMU tells nothing of restarts and errors:'],
    table: tableOf(
      [
        right('vCPU'),
        right('tid'),
        left('thread', { shrinkTo: 10, drop: 1 }),
        right('kernel'),
        right('QEMU'),
        right('matched'),
        right('kernel only'),
        right('QEMU only'),
        right('restarts', { drop: 2 }),
        right('errors', { drop: 3 }),
      ],
      check.rows,
      rows,
      (row) => [
        plain(row.vcpu < 0 ? null : row.vcpu),
        plain(row.tid < 0 ? null : row.tid),
        foreign(row.comm),
        count(row.kernel),
        count(row.qemu),
        count(row.matched),
        count(row.kernelOnly),
        count(row.qemuOnly),
        count(row.restarts),
        count(row.errors),
      ],
    ),
  };
}

export const qemuSection: Section = {
  id: 'qemu',
  byDefault: true,
  requests: () => [
    { name: 'qemu', options: null },
    { name: 'qemu-check', options: null },
  ],
  build,
  blocks,
  csv: {
    qemu: (model) =>
      csvOf(
        [
          'pid',
          'tid',
          'vcpu',
          'code',
          'name',
          'count',
          'perSecond',
          'pairs',
          'totalNs',
          'minNs',
          'avgNs',
          'maxNs',
        ],
        model.qemu?.rows.map((row) => ({
          ...row,
          pairs: row.handling?.pairs ?? null,
          totalNs: row.handling?.totalNs ?? null,
          minNs: row.handling?.minNs ?? null,
          avgNs: row.handling?.avgNs ?? null,
          maxNs: row.handling?.maxNs ?? null,
        })),
      ),
    'qemu-devices': (model) =>
      csvOf(
        [
          'kind',
          'device',
          'direction',
          'address',
          'lastAddress',
          'code',
          'name',
          'count',
          'totalNs',
          'avgNs',
          'maxNs',
        ],
        model.qemu?.devices ?? undefined,
      ),
  },
};
