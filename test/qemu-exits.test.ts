/** QEMU's exits and handling times: against a plain calculation on objects, and independent of how parts are merged. */
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PassScope } from '../src/analysis/pass.ts';
import { NO_ACCESS } from '../src/analysis/qemu-devices.ts';
import {
  type QemuDeviceResult,
  type QemuExitResult,
  qemuExitResult,
} from '../src/analysis/qemu-exit-result.ts';
import { addQemuExits, createQemuExits, mergeQemuExits } from '../src/analysis/qemu-exits.ts';
import type { Selection } from '../src/analysis/selection.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { checkSentence } from '../src/report/build-qemu.ts';
import { SAMPLES } from './support/corpus.ts';
import { anyEvents, type Event, oracle, toBatch } from './support/qemu-oracle.ts';
import { load } from './support/qemu-traces.ts';

/** The result without what depends on the order of rows with equal counts. */
function comparable(result: QemuExitResult) {
  const rows = [...result.rows].sort((a, b) =>
    `${a.pid} ${a.vcpu} ${a.code}`.localeCompare(`${b.pid} ${b.vcpu} ${b.code}`),
  );
  const devices = result.devices && [...result.devices].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { ...result, rows, devices };
}

const words = (time: bigint | null): readonly [number, number] | null =>
  time === null ? null : [Number(time & 0xffffffffn), Number(time >> 32n)];

function scopeOf(filters: Partial<Selection>): PassScope {
  const none = { pids: null, tids: null, vcpus: null, cpus: null, from: null, to: null };
  return { selection: { ...none, reasons: null, excludes: null, levels: null, ...filters }, threads: null };
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
              avgNs: Math.floor(sum / times.length + 0.5),
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

  test('filters choose exits of processes, vCPUs and times, after pairing', () => {
    const anyFilters = fc.record({
      pids: fc.option(fc.constantFrom<number[]>([7], [8], [7, 8], [9])),
      vcpus: fc.option(fc.constantFrom<number[]>([0], [1, 2])),
      from: fc.option(fc.nat(20_000_000)),
      to: fc.option(fc.nat(60_000_000)),
    });
    fc.assert(
      fc.property(anyEvents, anyFilters, fc.nat(160), (events, { pids, vcpus, from, to }, cut) => {
        const start = 2n ** 40n;
        const bound = (ns: number | null) => (ns === null ? null : start + BigInt(ns));
        const scope = scopeOf({
          pids: pids && new Set(pids),
          vcpus: vcpus && new Set(vcpus),
          from: words(bound(from)),
          to: words(bound(to)),
        });
        const { rows, totals, devices } = oracle(
          events,
          ({ pid, vcpu, time }) =>
            (pids === null || pids.includes(pid)) &&
            (vcpus === null || vcpus.includes(vcpu)) &&
            (from === null || time >= bound(from)!) &&
            (to === null || time < bound(to)!),
        );
        const results = [[events], [events.slice(0, cut), events.slice(cut)]].map((parts) => {
          const [first, ...later] = parts.map((part) => {
            const exits = createQemuExits(null, scope);
            addQemuExits(exits, toBatch(part));
            return exits;
          });
          for (const next of later) mergeQemuExits(first, next);
          return qemuExitResult(first);
        });
        for (const result of results) {
          const hasRuns = events.some(({ kind }) => kind === 'run');
          expect(result).toMatchObject({
            recorded: events.filter(({ kind }) => kind === 'exit').length,
            exits: [...rows.values()].reduce((sum, { count }) => sum + count, 0),
            interruptedRuns: totals.interrupted,
            exitsWithoutRun: hasRuns ? totals.noRun : 0,
            invalidated: totals.invalidated,
            ...{ unplaced: 0, threadUnknown: 0, backwards: 0, selectable: true },
          });
          expect(result.rows.length).toBe([...rows.values()].filter(({ count }) => count > 0).length);
          for (const { pid, vcpu, code, count, handling, inKvm } of result.rows) {
            const wanted = rows.get(`${pid} ${vcpu} ${code}`)!;
            const sum = (times: readonly bigint[]) => Number(times.reduce((a, b) => a + b, 0n));
            expect(count).toBe(wanted.count);
            expect(handling?.totalNs ?? 0).toBe(sum(wanted.handling));
            expect(inKvm?.totalNs ?? 0).toBe(sum(wanted.inKvm));
          }
          if (result.devices !== null)
            expect(result.devices.reduce((sum, { totalNs }) => sum + Number(totalNs), 0)).toBe(
              Object.values(devices).reduce((sum, [, , , ns]) => sum + ns, 0),
            );
        }
      }),
      { numRuns: 400 },
    );
  });

  test('rates are those of the chosen time, and a filter by thread says what it cannot choose', () => {
    const events = [0, 1, 2, 3].map((second): Event => {
      return { kind: 'exit', time: BigInt(second) * 1_000_000_000n, pid: 7, vcpu: 0, code: 2 };
    });
    const filtered = (filters: Partial<Selection>) => {
      const exits = createQemuExits(null, scopeOf(filters));
      addQemuExits(exits, toBatch(events));
      return qemuExitResult(exits);
    };
    expect(filtered({ from: words(1_000_000_000n), to: words(3_000_000_000n) }).rows).toMatchObject([
      { count: 2, perSecond: 1 },
    ]);
    expect(filtered({ tids: new Set([7]), to: words(2_000_000_000n) })).toMatchObject({
      ...{ exits: 0, unplaced: 0, threadUnknown: 2, rows: [], selectable: true },
    });
    for (const key of ['cpus', 'reasons', 'excludes', 'levels'])
      expect(filtered({ [key]: new Set([0]) }).selectable, key).toBe(false);
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
  const check = { agrees: false, matched: 0, kernelOnly: 0, qemuOnly: 0, edges: 0, leftOut: 0, rows: [] };
  expect(checkSentence(check)).toContain('could not be compared');
  expect(checkSentence({ ...check, kernelOnly: 2 })).toContain(
    "do not agree: 0 pairs, 2 of the kernel's and 0 of QEMU's without the other",
  );
  expect(checkSentence({ ...check, agrees: true, matched: 5 })).toContain('agree one to one: 5 pairs');
  expect(checkSentence({ ...check, leftOut: 3 })).toContain('3 returns of no known thread left out');
});
