/** QEMU's exits and handling times: against a plain calculation on objects, and independent of how parts are merged. */
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_ACCESS } from '../src/analysis/qemu-devices.ts';
import {
  type QemuDeviceResult,
  type QemuExitResult,
  qemuExitResult,
} from '../src/analysis/qemu-exit-result.ts';
import { addQemuExits, createQemuExits, mergeQemuExits } from '../src/analysis/qemu-exits.ts';
import { createEventBatch, type EventBatch, F_ADDRESS, F_ARG0, F_CODE } from '../src/core/event-batch.ts';
import {
  EV_EXIT,
  EV_MEMORY_REGION_OPS_READ,
  EV_MEMORY_REGION_OPS_WRITE,
  EV_QEMU_DROPPED,
  EV_QEMU_VCPU_IOCTL,
  EV_RUN_EXIT,
} from '../src/core/events.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { storeBigInt } from '../src/core/words.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { checkSentence } from '../src/report/build-qemu.ts';
import { SAMPLES } from './support/corpus.ts';
import { load } from './support/qemu-traces.ts';

interface Event {
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

function toBatch(events: readonly Event[]): EventBatch {
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

/** The definition, event by event: times since a process's last drop count, those before were discarded. */
function oracle(events: readonly Event[]) {
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
    if (event.kind === 'exit') row(event).count++;
    if (!before) continue;
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

const anyEvents = fc
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

/** The result without what depends on the order of rows with equal counts. */
function comparable(result: QemuExitResult) {
  const rows = [...result.rows].sort((a, b) =>
    `${a.pid} ${a.vcpu} ${a.code}`.localeCompare(`${b.pid} ${b.vcpu} ${b.code}`),
  );
  const devices = result.devices && [...result.devices].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { ...result, rows, devices };
}

const key = ({ text, code, write }: QemuDeviceResult) => `${text} ${code} ${write}`;

function summed(parts: readonly (readonly Event[])[]): QemuExitResult {
  const exits = createQemuExits();
  for (const part of parts) addQemuExits(exits, toBatch(part));
  return qemuExitResult(exits);
}

describe('by definition', () => {
  test('counts, handling times, times in KVM_RUN, drops', () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        const result = summed([events]);
        const { rows, totals, devices } = oracle(events);
        const hasRuns = events.some(({ kind }) => kind === 'run');
        expect(result.rows.length).toBe(rows.size);
        for (const { pid, vcpu, code, count, handling, inKvm, perSecond } of result.rows) {
          const wanted = rows.get(`${pid} ${vcpu} ${code}`)!;
          expect(count).toBe(wanted.count);
          const times = wanted.handling.map(Number).sort((a, b) => a - b);
          const sum = times.reduce((a, b) => a + b, 0);
          if (times.length === 0) expect(handling).toBeNull();
          else
            expect(handling).toEqual({
              pairs: times.length,
              totalNs: sum,
              minNs: times[0],
              avgNs: sum / times.length,
              maxNs: times.at(-1),
              p50Ns: times[Math.ceil(times.length * 0.5) - 1],
              p99Ns: times[Math.ceil(times.length * 0.99) - 1],
              percentileErrorPct: 0,
            });
          expect(inKvm?.pairs ?? 0).toBe(wanted.inKvm.length);
          expect(inKvm?.totalNs ?? 0).toBe(Number(wanted.inKvm.reduce((a, b) => a + b, 0n)));
          const span = Number(events.at(-1)!.time - events[0].time);
          expect(perSecond).toBe(span > 0 ? count / (span / 1e9) : null);
        }
        const accessed = events.some(({ kind }) => kind === 'read' || kind === 'write');
        expect(result.devices === null).toBe(!accessed || !hasRuns);
        if (result.devices !== null)
          expect(
            Object.fromEntries(
              result.devices.map(({ text, code, write, from, to, pairs, totalNs, maxNs }) => [
                `${text} ${code} ${write}`,
                [from[0], to[0], pairs, totalNs, maxNs],
              ]),
            ),
          ).toEqual(devices);
        expect(result).toMatchObject({
          exits: events.filter(({ kind }) => kind === 'exit').length,
          handlingKnown: hasRuns,
          interruptedRuns: totals.interrupted,
          exitsWithoutRun: hasRuns ? totals.noRun : 0,
          invalidated: totals.invalidated,
          droppedEvents: totals.dropped,
          unplaced: 0,
          backwards: 0,
        });
      }),
      { numRuns: 400 },
    );
  });

  test('batches and merged parts give the same as one pass', () => {
    const cuts = fc.array(fc.nat(160), { maxLength: 4 });
    fc.assert(
      fc.property(anyEvents, cuts, fc.boolean(), (events, positions, fromRight) => {
        const bounds = [
          0,
          ...positions.map((p) => Math.min(p, events.length)).sort((a, b) => a - b),
          events.length,
        ];
        const parts = bounds.slice(1).map((end, i) => events.slice(bounds[i], end));
        const whole = comparable(summed([events]));
        expect(comparable(summed(parts))).toEqual(whole);
        const separate = parts.map((part) => {
          const exits = createQemuExits();
          addQemuExits(exits, toBatch(part));
          return exits;
        });
        const merged = fromRight
          ? separate.reduceRight((right, left) => {
              mergeQemuExits(left, right);
              return left;
            })
          : separate.reduce((left, right) => {
              mergeQemuExits(left, right);
              return left;
            });
        expect(comparable(qemuExitResult(merged))).toEqual(whole);
      }),
      { numRuns: 600 },
    );
  });

  test('an access counts for its exit wherever the parts meet', () => {
    const at = (kind: Event['kind'], time: bigint, code = 2): Event => ({
      kind,
      time,
      pid: 7,
      vcpu: 0,
      code,
    });
    const events = [
      ...[at('exit', 10n), at('write', 11n), at('read', 12n), at('run', 20n)],
      ...[at('exit', 30n), at('run', 36n), at('exit', 40n), at('read', 41n), at('run', 44n)],
    ];
    const wanted = [
      {
        text: 70,
        code: 2,
        write: true,
        from: [0x1002, 0],
        to: [0x1002, 0],
        pairs: 1,
        totalNs: 10,
        avgNs: 10,
        maxNs: 10,
      },
      {
        text: NO_ACCESS,
        code: 2,
        write: false,
        from: [0, 0],
        to: [0, 0],
        pairs: 1,
        totalNs: 6,
        avgNs: 6,
        maxNs: 6,
      },
      {
        text: 70,
        code: 2,
        write: false,
        from: [0x1002, 0],
        to: [0x1002, 0],
        pairs: 1,
        totalNs: 4,
        avgNs: 4,
        maxNs: 4,
      },
    ];
    const part = (from: number, to: number) => {
      const exits = createQemuExits();
      addQemuExits(exits, toBatch(events.slice(from, to)));
      return exits;
    };
    for (let a = 0; a <= events.length; a++)
      for (let b = a; b <= events.length; b++) {
        const [left, middle] = [part(0, a), part(a, b)];
        mergeQemuExits(left, middle);
        mergeQemuExits(left, part(b, events.length));
        expect(qemuExitResult(left).devices, `${a} ${b}`).toEqual(wanted);
        const [first, rest] = [part(0, a), part(a, b)];
        mergeQemuExits(rest, part(b, events.length));
        mergeQemuExits(first, rest);
        expect(qemuExitResult(first).devices, `${a} ${b}, from the right`).toEqual(wanted);
      }
  });

  test('an exit of no vCPU, and more vCPUs than anyone has, are counted apart', () => {
    const many = Array.from(
      { length: 10_000 },
      (_, i): Event => ({ kind: 'exit', time: BigInt(i), pid: 1, vcpu: i - 1, code: 2 }),
    );
    const result = summed([many]);
    expect(result.exits).toBe(10_000);
    expect(result.rows.length).toBeLessThan(5000);
    expect(result.unplaced).toBe(10_000 - result.rows.length);
  });
});

test('a clock that ran backwards, or further ahead than any recording lasts, gives no time', () => {
  const at = (kind: Event['kind'], time: bigint): Event => ({ kind, time, pid: 1, vcpu: 0, code: 2 });
  const result = summed([
    [at('exit', 1000n), at('run', 2n ** 60n), at('exit', 2n ** 60n + 5n), at('run', 2n ** 60n)],
  ]);
  expect([result.exits, result.backwards, result.rows[0].handling]).toEqual([2, 2, null]);
});

test('a real recording: every exit but the last of a vCPU is handled, and times fill the span between', () => {
  const exits = createQemuExits();
  const context = createTraceContext();
  const source = memorySource(load(path.join(SAMPLES, 'qemu-simpletrace/trace.bin')));
  for (const batch of simpletrace.parse(source, context, {})) addQemuExits(exits, batch);
  const result = qemuExitResult(exits);
  const printed = load(path.join(SAMPLES, 'qemu-simpletrace/simpletrace.txt.gz'))
    .toString()
    .trimEnd()
    .split('\n');
  // The same from the decoder's text: exits are followed by the next KVM_RUN of their vCPU.
  let now = 0;
  const open = new Map<string, { reason: number; at: number }>();
  const wanted = new Map<string, { count: number; pairs: number; total: number }>();
  for (const line of printed) {
    now += Math.round(Number(line.split(' ')[1]) * 1000);
    const exit = /^kvm_run_exit .* cpu_index=(0x\w+) reason=(0x\w+)/.exec(line);
    const run = /^kvm_vcpu_ioctl .* cpu_index=(0x\w+) type=0xae80 /.exec(line);
    if (exit) {
      const row = wanted.get(`${exit[1]} ${exit[2]}`) ?? { count: 0, pairs: 0, total: 0 };
      row.count++;
      wanted.set(`${exit[1]} ${exit[2]}`, row);
      open.set(exit[1], { reason: Number(exit[2]), at: now });
    } else if (run) {
      const before = open.get(run[1]);
      open.delete(run[1]);
      if (!before) continue;
      const row = wanted.get(`${run[1]} 0x${before.reason.toString(16)}`)!;
      row.pairs++;
      row.total += now - before.at;
    }
  }
  expect(
    Object.fromEntries(
      result.rows.map(({ vcpu, code, count, handling }) => [
        `0x${vcpu.toString(16)} 0x${code.toString(16)}`,
        { count, pairs: handling?.pairs ?? 0, total: handling?.totalNs ?? 0 },
      ]),
    ),
  ).toEqual(Object.fromEntries(wanted));
  expect(result.handlingKnown).toBe(true);
  expect(result.exits).toBe(473);
});

test('what could not be compared is not called a disagreement', () => {
  const check = { agrees: false, matched: 0, kernelOnly: 0, qemuOnly: 0, edges: 0, rows: [] };
  expect(checkSentence(check)).toContain('could not be compared');
  expect(checkSentence({ ...check, kernelOnly: 2 })).toContain(
    "do not agree: 0 pairs, 2 of the kernel's and 0 of QEMU's without the other",
  );
  expect(checkSentence({ ...check, agrees: true, matched: 5 })).toContain('agree one to one: 5 pairs');
});
