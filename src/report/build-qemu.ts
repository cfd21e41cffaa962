/** Section `qemu`: exits as QEMU itself saw them, and whether the kernel's and QEMU's words agree. */
import type { QemuCheckResult, QemuCheckRow } from '../analysis/qemu-check.ts';
import type { QemuExitResult, QemuExitRow } from '../analysis/qemu-exit-result.ts';
import { vcpuOfThread } from '../core/thread-table.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import type { ReportModel } from './model.ts';
import { cell, count, csvOf, foreign, left, plain, right, share, tableOf, time } from './section-cells.ts';
import type { Block, Section, SectionInput } from './sections.ts';
import { formatCount, plural } from './units.ts';

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
  /** The kernel's kvm_userspace_exit (without restarts and errors) against QEMU's kvm_run_exit; null: only one side. */
  check: {
    agrees: boolean;
    matched: number;
    kernelOnly: number;
    qemuOnly: number;
    /** At the ends of the time in which both were recorded. */
    edges: number;
    rows: (QemuCheckRow & { vcpu: number; comm: string | null })[];
  } | null;
}

function build({ context, analysis }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.qemu as QemuExitResult | undefined;
  const check = analysis.passes['qemu-check'] as QemuCheckResult | undefined;
  if (result === undefined || check === undefined) return null;
  if (result.exits === 0) return {};
  const qemu: QemuModel = {
    ...result,
    rows: result.rows.map((row) => ({ ...row, name: userspaceExitName(row.code) })),
    check: check.kernelExits > 0 && check.qemuExits > 0 ? compare(check, context) : null,
  };
  return { qemu };
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
    rows,
  };
}

const BRIEF_ROWS = 10;

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { qemu } = model;
  if (!qemu)
    return asked
      ? [{ title: "QEMU's side", sentences: ['Not recorded: no kvm_run_exit in the capture.'], table: null }]
      : [];
  const limit = asked ? rows : BRIEF_ROWS;
  return [
    {
      title: "QEMU's side: KVM_RUN returned to it",
      sentences: [
        `${plural(qemu.exits, 'return')}${qemu.handlingKnown ? `; ${formatCount(qemu.interruptedRuns)} more calls were interrupted` : '; how long QEMU took is not recorded (kvm_vcpu_ioctl)'}.`,
        ...(qemu.droppedEvents > 0
          ? [
              `QEMU dropped ${plural(qemu.droppedEvents, 'event')}: ${formatCount(qemu.invalidated)} times are left out.`,
            ]
          : []),
        ...leftOut(qemu),
        ...(qemu.check ? [checkSentence(qemu.check)] : []),
      ],
      table: tableOf(
        [
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
          plain(row.vcpu),
          cell(row.name),
          count(row.count),
          share(row.count, qemu.exits),
          plain(row.perSecond === null ? null : row.perSecond.toFixed(1)),
          time(row.handling?.totalNs ?? null),
          time(row.handling ? Math.round(row.handling.avgNs) : null),
          time(row.handling?.p99Ns ?? null),
          time(row.handling?.maxNs ?? null),
        ],
      ),
    },
    ...(qemu.check && (asked || !qemu.check.agrees) ? [checkBlock(qemu.check, limit)] : []),
  ];
}

/** What has no time, or is in no row, for another reason than drops. */
function leftOut({ exitsWithoutRun, backwards, unplaced }: QemuModel): string[] {
  const times = [
    ...(exitsWithoutRun > 0
      ? [`${formatCount(exitsWithoutRun)} without KVM_RUN being called after them`]
      : []),
    ...(backwards > 0 ? [`${formatCount(backwards)} whose clock ran backwards or far ahead`] : []),
  ];
  return [
    ...(times.length > 0 ? [`Without a time: ${times.join(', ')}.`] : []),
    ...(unplaced > 0 ? [`${plural(unplaced, 'return')} named no vCPU and are in no row.`] : []),
  ];
}

/** Exported for its test. */
export function checkSentence({
  agrees,
  matched,
  kernelOnly,
  qemuOnly,
  edges,
}: NonNullable<QemuModel['check']>): string {
  if (matched + kernelOnly + qemuOnly === 0)
    return "The kernel's kvm_userspace_exit and QEMU's kvm_run_exit could not be compared: no exit or entry tells which thread is which vCPU, or the two were not recorded at the same time.";
  const at = edges > 0 ? ` (${formatCount(edges)} at the ends of one recording)` : '';
  return agrees
    ? `The kernel's kvm_userspace_exit and QEMU's kvm_run_exit agree one to one: ${formatCount(matched)} pairs${at}.`
    : `The kernel's kvm_userspace_exit and QEMU's kvm_run_exit do not agree: ${formatCount(matched)} pairs, ${formatCount(kernelOnly)} of the kernel's and ${formatCount(qemuOnly)} of QEMU's without the other${at}; clocks may differ, or one side lost events.`;
}

function checkBlock(check: NonNullable<QemuModel['check']>, rows: number): Block {
  return {
    title: null,
    sentences: ['Both sides by thread; restarts and errors have no word from QEMU:'],
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
          avgNs: row.handling ? Math.round(row.handling.avgNs) : null,
          maxNs: row.handling?.maxNs ?? null,
        })),
      ),
  },
};
