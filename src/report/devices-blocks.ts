/** Section `devices` for people. */

import { formatCount, plural } from '../core/units.ts';
import type { DeviceRowModel, DevicesModel } from './build-devices.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { reasonFiltersUnused, selectsBy } from './filters.ts';
import type { ReportModel } from './model.ts';
import { holdsExits, NONE_SELECTED, selectsNoExit, whyNoneAround } from './recorded.ts';
import type { Block } from './sections.ts';

const BRIEF_ROWS = 8;

/** Where no exit accessed a device: why, and what else there is to show. */
function blocksWithoutExits(
  model: ReportModel,
  devices: DevicesModel,
  rows: number,
  asked: boolean,
): Block[] {
  const { selection, qemu } = model;
  const say = (...sentences: string[]): Block[] =>
    asked ? [{ title: 'Devices', sentences, table: null }] : [];
  const escalations = asked && devices.escalations.length > 0 ? [escalationBlock(devices, rows)] : [];
  if (!devices.known && devices.escalations.length === 0)
    return say(
      `Not recorded: kvm_pio, kvm_mmio and kvm_fast_mmio are not in the capture.${qemu?.devices ? " What QEMU says of its devices is on QEMU's side." : ''}`,
      ...qemuSentences(devices),
    );
  if (selectsNoExit(model)) return say(NONE_SELECTED);
  // Accesses are not told apart by the reasons and levels of exits.
  if (holdsExits(model) && selectsBy(selection, 'reason', 'level'))
    return [...say('No exit of the selection accessed a device.'), ...escalations];
  // Accesses alone are for recordings without exits; beside filters they are shown to who asks.
  if (devices.accesses.length > 0 && (asked || selection === null || !holdsExits(model)))
    return [accessBlock(model, devices, asked ? rows : BRIEF_ROWS), ...escalations];
  return [...say(...deviceSentences(devices)), ...escalations];
}

export function deviceBlocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { devices } = model;
  if (!devices) return [];
  if (devices.rows.length === 0) return blocksWithoutExits(model, devices, rows, asked);
  return [
    {
      title: 'Devices: who answers',
      sentences: deviceSentences(devices),
      table: tableOf(
        [
          left('access'),
          left('address'),
          left('device', { shrinkTo: 12 }),
          left('answered by', { drop: 0 }),
          right('exits'),
          right('to user'),
          right('in kernel', { drop: 1 }),
          right('user time'),
          right('kernel time', { drop: 2 }),
          right('max', { drop: 3 }),
        ],
        devices.rows,
        asked ? rows : BRIEF_ROWS,
        (row) => [
          cell(`${row.kind} ${row.direction}`),
          cell(row.address),
          foreign(row.device),
          cell(row.handler),
          count(row.exits),
          count(row.escalated),
          count(row.inKernel),
          time(row.userspaceNs),
          time(row.kernelNs),
          time(row.maxNs),
        ],
      ),
    },
    ...(asked ? [escalationBlock(devices, rows)] : []),
  ];
}

function deviceSentences({ rows, escalationKnown, ioeventfds, virtio, known }: DevicesModel): string[] {
  if (!known) return ['kvm_pio, kvm_mmio and kvm_fast_mmio were not recorded: which device is unknown.'];
  const total = (pick: (row: DeviceRowModel) => number | null) =>
    rows.reduce((sum, row) => sum + (pick(row) ?? 0), 0);
  const fast = total((row) => row.fast);
  return [
    escalationKnown
      ? `${plural(
          total((row) => row.exits),
          'exit',
        )} accessed a device: ${formatCount(total((row) => row.escalated))} went to user space, ${formatCount(total((row) => row.inKernel))} did not${fast > 0 ? ` (${formatCount(fast)} of them kvm_fast_mmio, an ioeventfd)` : ''}; restarted on the way: ${formatCount(total((row) => row.restarts))}.`
      : 'Which accesses went to user space is unknown: kvm_userspace_exit was not recorded, or not with its thread.',
    ...qemuSentences({ ioeventfds, virtio }),
  ];
}

function qemuSentences({ ioeventfds, virtio }: Pick<DevicesModel, 'ioeventfds' | 'virtio'>): string[] {
  return [
    ...(ioeventfds.length > 0
      ? [`QEMU registered ioeventfds for ${plural(ioeventfds.length, 'address', 'addresses')}.`]
      : []),
    ...(virtio.queueNotify !== null
      ? [
          `virtio: ${formatCount(virtio.queueNotify)} queue notifications, ${formatCount(virtio.notify ?? 0)} interrupts, ${formatCount(virtio.notifyIrqfd ?? 0)} by irqfd.`,
        ]
      : []),
  ];
}

function escalationBlock({ escalations, escalationKnown }: DevicesModel, rows: number): Block {
  return {
    title: null,
    sentences: [
      escalationKnown ? 'Escalations by exit reason, KVM_EXIT reason and device:' : 'Escalations: not known.',
    ],
    table: escalationKnown
      ? tableOf(
          [
            left('exit reason', { shrinkTo: 12 }),
            left('KVM_EXIT reason', { shrinkTo: 15 }),
            left('address'),
            left('device', { shrinkTo: 10 }),
            right('count'),
            right('in kernel', { drop: 1 }),
            right('in user space'),
          ],
          escalations,
          rows,
          (row) => [
            foreign(row.name),
            cell(row.userspaceName),
            plain(
              row.address === null
                ? null
                : `${row.kind} ${row.address}${row.direction === 'read' ? ' r' : row.direction === 'write' ? ' w' : ''}`,
            ),
            foreign(row.device),
            count(row.count),
            time(row.kernelNs),
            time(row.userspaceNs),
          ],
        )
      : null,
  };
}

function accessBlock(model: ReportModel, devices: DevicesModel, rows: number): Block {
  const { accesses } = devices;
  return {
    title: 'Device accesses',
    sentences: [
      `${whyNoneAround(model, 'them')}: counts only.`,
      ...reasonFiltersUnused(model.selection),
      ...qemuSentences(devices),
    ],
    table: tableOf(
      [left('access'), left('address'), left('device', { shrinkTo: 12 }), right('count'), right('%')],
      accesses,
      rows,
      (row) => [
        cell(`${row.kind} ${row.direction}`),
        cell(row.address),
        foreign(row.device),
        count(row.count),
        share(
          row.count,
          accesses.reduce((sum, { count: n }) => sum + n, 0),
        ),
      ],
    ),
  };
}
