/** Events of QEMU as plain objects, and what is told of them by definition. */
import fc from 'fast-check';
import { NO_ACCESS } from '../../src/analysis/qemu-devices.ts';
import { createEventBatch, type EventBatch, F_ADDRESS, F_ARG0, F_CODE } from '../../src/core/event-batch.ts';
import {
  EV_EXIT,
  EV_MEMORY_REGION_OPS_READ,
  EV_MEMORY_REGION_OPS_WRITE,
  EV_QEMU_DROPPED,
  EV_QEMU_VCPU_IOCTL,
  EV_RUN_EXIT,
} from '../../src/core/events.ts';
import { storeBigInt } from '../../src/core/words.ts';

export interface Event {
  kind: 'exit' | 'run' | 'other-ioctl' | 'drop' | 'kernel' | 'read' | 'write';
  time: bigint;
  pid: number;
  vcpu: number;
  code: number;
}

const CODES = {
  exit: EV_RUN_EXIT,
  run: EV_QEMU_VCPU_IOCTL,
  'other-ioctl': EV_QEMU_VCPU_IOCTL,
  drop: EV_QEMU_DROPPED,
  kernel: EV_EXIT,
  read: EV_MEMORY_REGION_OPS_READ,
  write: EV_MEMORY_REGION_OPS_WRITE,
};

export function toBatch(events: readonly Event[]): EventBatch {
  const batch = createEventBatch(Math.max(1, events.length));
  batch.tid.fill(-1);
  batch.vcpu.fill(-1);
  batch.text.fill(-1);
  events.forEach((event, row) => {
    storeBigInt(batch.time, 2 * row, event.time);
    batch.event[row] = CODES[event.kind];
    batch.pid[row] = event.pid;
    if (event.kind === 'drop') {
      batch.fields[row] = F_ARG0;
      batch.arg0[2 * row] = event.code;
      return;
    }
    batch.vcpu[row] = event.vcpu;
    if (event.kind === 'read' || event.kind === 'write') {
      batch.fields[row] = F_ADDRESS;
      batch.address[2 * row] = 0x1000 + event.code;
      // 5 has no name, 2 and 6 are of one device.
      batch.text[row] = event.code === 5 ? -1 : 70;
      return;
    }
    batch.fields[row] = F_CODE;
    batch.code[row] = event.kind === 'run' ? 0xae80 : event.kind === 'other-ioctl' ? 0x4040ae77 : event.code;
  });
  batch.length = events.length;
  return batch;
}

/**
 * The definition, event by event: times since a process's last drop count, those before were discarded. A pair is
 * chosen by its exit, two of a kind by the first.
 */
export function oracle(events: readonly Event[], isChosen: (event: Event) => boolean = () => true) {
  const rows = new Map<string, { count: number; handling: bigint[]; inKvm: bigint[] }>();
  const totals = { interrupted: 0, noRun: 0, invalidated: 0, dropped: 0 };
  const last = new Map<string, Event>();
  /** Of the exit that is a vCPU's last event: the first access after it. */
  const access = new Map<string, Event>();
  const devices: { pid: number; code: number; access: Event | undefined; ns: number }[] = [];
  const row = (event: Event) => {
    const key = `${event.pid} ${event.vcpu} ${event.code}`;
    const found = rows.get(key) ?? { count: 0, handling: [], inKvm: [] };
    rows.set(key, found);
    return found;
  };
  for (const event of events) {
    if (event.kind === 'drop') {
      totals.dropped += event.code;
      for (const [key, { handling, inKvm }] of rows) {
        if (!key.startsWith(`${event.pid} `)) continue;
        totals.invalidated += handling.splice(0).length + inKvm.splice(0).length;
      }
      for (const key of [...last.keys()]) if (key.startsWith(`${event.pid} `)) last.delete(key);
      devices.splice(0, devices.length, ...devices.filter(({ pid }) => pid !== event.pid));
    }
    if (event.kind === 'read' || event.kind === 'write') {
      const key = `${event.pid} ${event.vcpu}`;
      if (last.get(key)?.kind === 'exit' && !access.has(key)) access.set(key, event);
    }
    if (event.kind !== 'exit' && event.kind !== 'run') continue;
    const key = `${event.pid} ${event.vcpu}`;
    const before = last.get(key);
    last.set(key, event);
    if (event.kind === 'exit') access.delete(key);
    if (event.kind === 'exit' && isChosen(event)) row(event).count++;
    if (!before || !isChosen(before.kind === 'run' && event.kind === 'exit' ? event : before)) continue;
    const ns = event.time - before.time;
    if (before.kind === event.kind) {
      if (event.kind === 'run') totals.interrupted++;
      else totals.noRun++;
    } else if (event.kind === 'run') {
      row(before).handling.push(ns);
      devices.push({ pid: event.pid, code: before.code, access: access.get(key), ns: Number(ns) });
    } else row(event).inKvm.push(ns);
  }
  return { rows, totals, devices: deviceRows(devices) };
}

function deviceRows(handled: readonly { code: number; access: Event | undefined; ns: number }[]) {
  const found = new Map<string, { addresses: number[]; times: number[] }>();
  for (const { code, access, ns } of handled) {
    const name = access === undefined ? NO_ACCESS : access.code === 5 ? -1 : 70;
    const key = `${name} ${code} ${access?.kind === 'write'}`;
    const row = found.get(key) ?? { addresses: [], times: [] };
    found.set(key, row);
    row.addresses.push(access === undefined ? 0 : 0x1000 + access.code);
    row.times.push(ns);
  }
  return Object.fromEntries(
    [...found].map(([key, { addresses, times }]) => [
      key,
      [
        Math.min(...addresses),
        Math.max(...addresses),
        times.length,
        times.reduce((a, b) => a + b, 0),
        Math.max(...times),
      ],
    ]),
  );
}

export const anyEvents = fc
  .array(
    fc.record({
      kind: fc.constantFrom<Event['kind']>(
        'exit',
        'run',
        'exit',
        'run',
        'exit',
        'run',
        'read',
        'write',
        'read',
        'other-ioctl',
        'kernel',
        'drop',
      ),
      step: fc.nat(1_000_000),
      pid: fc.constantFrom(7, 8),
      vcpu: fc.nat(2),
      code: fc.constantFrom(2, 6, 5),
    }),
    { maxLength: 160 },
  )
  .map((steps) => {
    let time = 2n ** 40n;
    return steps.map(({ step, ...event }): Event => {
      time += BigInt(step);
      return { ...event, time };
    });
  });
