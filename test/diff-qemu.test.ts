/** QEMU's side of a comparison: slices against the report's own sums, and what people are told. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '../src/analysis/bootstrap.ts';
import type { PassScope } from '../src/analysis/pass.ts';
import { qemuExitResult } from '../src/analysis/qemu-exit-result.ts';
import { addQemuExits, createQemuExits } from '../src/analysis/qemu-exits.ts';
import {
  addQemuSlices,
  createQemuSlices,
  mergeQemuSlices,
  type QemuSlices,
  qemuSlicesResult,
} from '../src/analysis/qemu-slices.ts';
import { runDiff } from '../src/commands/pipeline.ts';
import { render as renderCsv } from '../src/report/diff/csv.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import { render as renderText } from '../src/report/diff/text.ts';
import { defaultReportOptions } from './support/options.ts';
import { anyEvents, type Event, toBatch } from './support/qemu-oracle.ts';

describe('slices', () => {
  const ORIGIN = [0, 256] as const;
  const only = (filters: object): PassScope => ({
    selection: {
      ...{ pids: null, tids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null },
      ...{ from: null, to: null, ...filters },
    },
    threads: null,
    recordingStart: ORIGIN,
  });
  const SCOPES = [
    { selection: null, threads: null, recordingStart: ORIGIN },
    only({ pids: new Set([7]) }),
    only({ vcpus: new Set([0, 1]), from: [9_000_000, 256] }),
    only({ to: [30_000_000, 256] }),
  ];
  const slicesOf = (events: readonly Event[], scope: PassScope): QemuSlices => {
    const slices = createQemuSlices(null, scope);
    addQemuSlices(slices, toBatch(events));
    return slices;
  };

  test('add up to what the report counts, and end with the recording', () => {
    fc.assert(
      fc.property(anyEvents, fc.constantFrom(...SCOPES), (all, scope) => {
        const events = all.filter(({ kind }) => kind !== 'drop');
        const { exposure, reasons } = qemuSlicesResult(slicesOf(events, scope));
        const exits = createQemuExits(null, scope);
        addQemuExits(exits, toBatch(events));
        const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
        const { rows } = qemuExitResult(exits);
        for (const { code, exits, paired, ns } of reasons) {
          const own = rows.filter((row) => row.code === code);
          expect(sum(exits)).toBe(sum(own.map(({ count }) => count)));
          expect(sum(paired)).toBe(sum(own.map(({ handling }) => handling?.pairs ?? 0)));
          expect(sum(ns)).toBe(sum(own.map(({ handling }) => Number(handling?.totalNs ?? 0))));
          expect(exits.length).toBe(exposure.length);
        }
        expect(new Set(reasons.map(({ code }) => code))).toEqual(new Set(rows.map(({ code }) => code)));
        if (scope.selection === null && events.length > 0)
          expect(sum(exposure)).toBe(Number(events.at(-1)!.time - 2n ** 40n));
      }),
      { numRuns: 300 },
    );
  });

  test('each of many KVM_EXIT numbers has slices, vCPUs of large numbers are told apart, and the rest is counted', () => {
    const [all] = SCOPES;
    const at = (i: number, kind: Event['kind'], vcpu: number, code: number): Event => ({
      ...{ kind, vcpu, code },
      ...{ time: 2n ** 40n + BigInt(100 * i), pid: 7 },
    });
    const codes = [...Array(900).keys(), 0xffffffff];
    const many = codes.flatMap((code, i) => [at(2 * i, 'exit', 0, code), at(2 * i + 1, 'run', 0, 0)]);
    const { reasons, ignored } = qemuSlicesResult(slicesOf(many, all));
    expect(reasons.map(({ code }) => code)).toEqual(codes);
    for (const { paired } of reasons) expect(paired.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(ignored).toBe(0);
    // vCPU 0 and 65536: the call of one is not that of the other.
    const far = [at(0, 'exit', 0, 2), at(1, 'run', 65536, 0), at(5, 'run', 0, 0)];
    expect(qemuSlicesResult(slicesOf(far, all)).reasons[0].ns[0]).toBe(500);
    // More than there is room for, at once and in parts.
    const crowd = Array.from({ length: 1500 }, (_, i) => at(i, 'exit', 0, i));
    expect(qemuSlicesResult(slicesOf(crowd, all)).ignored).toBe(1500 - 1024);
    const first = slicesOf(crowd.slice(0, 700), all);
    mergeQemuSlices(first, slicesOf(crowd.slice(700), all));
    expect(qemuSlicesResult(first).ignored).toBe(1500 - 1024);
    const vcpus = Array.from({ length: 5000 }, (_, i) => at(i, 'exit', i, 2));
    expect(qemuSlicesResult(slicesOf(vcpus, all)).ignored).toBe(5000 - 4096);
  });

  test('parts put together give the same as one pass, drops included', () => {
    fc.assert(
      fc.property(
        anyEvents,
        fc.array(fc.nat(160), { maxLength: 3 }),
        fc.constantFrom(...SCOPES),
        (events, cuts, scope) => {
          const bounds = [
            0,
            ...cuts.map((cut) => Math.min(cut, events.length)).sort((a, b) => a - b),
            events.length,
          ];
          const [first, ...later] = bounds
            .slice(1)
            .map((end, i) => slicesOf(events.slice(bounds[i], end), scope));
          for (const next of later) mergeQemuSlices(first, next);
          expect(qemuSlicesResult(first)).toEqual(qemuSlicesResult(slicesOf(events, scope)));
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('a comparison', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-diff-qemu-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const line = (us: number, event: string) => `7@${(100 + us / 1e6).toFixed(6)}:${event}`;

  /** A log of 4000 returns: port I/O that takes about `io` us, and MMIO, one in `mmioEvery`, that takes 20. */
  function log(name: string, seed: number, io: number, mmioEvery: number, kvmRun = true): string {
    const random = createRandom(seed);
    const lines: string[] = [];
    let us = 0;
    for (let i = 0; i < 4000; i++) {
      const isMmio = i % mmioEvery === 0;
      us += 200 + Math.floor(100 * random());
      lines.push(line(us, `kvm_run_exit cpu_index 0, reason ${isMmio ? 6 : 2}`));
      us += Math.floor((isMmio ? 20 : io) * (0.9 + 0.2 * random()));
      if (kvmRun) lines.push(line(us, 'kvm_vcpu_ioctl cpu_index 0, type 0xae80, arg (nil)'));
    }
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    return join(folder, name);
  }
  const diff = (before: string, after: string, filters: object | null = null): Promise<DiffModel> => {
    const options = defaultReportOptions();
    const chosen = filters && {
      filters: { ...options.filters, words: [{ kind: 'tid' as const, words: 'some' }], ...filters },
    };
    return runDiff(before, after, { ...options, ...chosen });
  };
  const text = (model: DiffModel) =>
    renderText(model, { color: false, width: 100, rows: 30 }).replace(/\s+/g, ' ');

  test('tells which reason costs more, and that the same load costs the same', async () => {
    const before = log('before', 1, 50, 10);
    const changed = await diff(before, log('slower', 2, 100, 10));
    const [io, mmio] = changed.qemu;
    expect(io).toMatchObject({ code: 2, name: 'KVM_EXIT_IO', costNs: { verdict: 'higher' } });
    expect(io.before.count).toBe(3600);
    expect(io.before.totalNs).toBeGreaterThan(3600 * 44_000);
    expect(io.costNs.changePct).toBeGreaterThan(60);
    // The same work is done in more time.
    expect(io.rate.verdict).toBe('lower');
    expect(mmio).toMatchObject({ code: 6, before: { count: 400 }, rate: { verdict: 'lower' } });
    expect(changed.before.vcpus).toBe(1);
    expect(text(changed)).toContain('2 of 2 reasons why KVM_RUN returned to QEMU changed beyond noise.');
    expect(text(changed)).toMatch(/KVM_EXIT_IO: QEMU's time per vCPU-second [\d.]+ ms → [\d.]+ ms \(\+/);
    let csv = '';
    for await (const piece of renderCsv(changed)) csv += piece;
    expect(csv).toMatch(/^qemu,2,KVM_EXIT_IO,,costNs,.*,higher$/m);

    const same = await diff(before, log('same', 3, 50, 10));
    expect(same.qemu.flatMap(({ costNs, rate }) => [costNs.verdict, rate.verdict])).toEqual(
      Array(4).fill('noise'),
    );
    expect(text(same)).toContain('No change beyond noise in 2 reasons why KVM_RUN returned to QEMU.');
  });

  test('what is not known is not compared', async () => {
    const before = log('known', 1, 50, 10);
    const untimed = await diff(before, log('untimed', 2, 100, 10, false));
    expect(untimed.qemu[0]).toMatchObject({
      after: { totalNs: null },
      ...{ costNs: { after: null, verdict: 'unknown' }, rate: { verdict: 'lower' } },
    });
    expect((await diff(before, before, { cpus: [0] })).qemu).toEqual([]);
    expect((await diff(before, before, { vcpus: [1] })).qemu).toEqual([]);
  });
});
