/** Details, devices, hot spots and context of real captures against perf's own text, and sums that must hold on all. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import type { ReportModel } from '../src/report/model.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';
import { pairScript, readScript, type ScriptExit } from './support/perf-script.ts';

const ALL = ['detail', 'devices', 'qemu', 'hotspots', 'context'];

function report(path: string, guestSymbols: string | null = null): Promise<ReportModel> {
  const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
  return runReport([path], { ...defaultReportOptions(), passes: sectionRequests(ALL, slow), guestSymbols });
}

const sum = <T>(rows: readonly T[], value: (row: T) => number | bigint | null) =>
  rows.reduce((total, row) => total + BigInt(value(row) ?? 0), 0n);

const corpus = HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : [];
const captures = [...listCaptures(SAMPLES), ...corpus].filter(({ path }) => !path.includes('pf-threads'));

describe.each(captures.map(({ id, path }) => [id, path] as const))('%s', (_, path) => {
  test('sums hold', async () => {
    const model = await report(path);
    const { detail, devices, hotspots, escalation, quality } = model;
    expect(detail!.exits).toBe(quality.exits);
    expect(sum(detail!.rows, (row) => row.exits)).toBe(BigInt(detail!.withDetail));
    for (const row of detail!.rows) {
      const reason = model.reasons.find(
        ({ isa, code, name }) => isa === row.isa && code === row.code && name === row.name,
      )!;
      expect(row.exits).toBeLessThanOrEqual(reason.exits);
      expect(row.mayMiss).toBe(0);
    }
    expect(sum(hotspots!.halves, (row) => row.user + row.kernel + row.unknown)).toBe(BigInt(quality.exits));
    for (const row of hotspots!.halves) {
      const reason = model.reasons.find(
        ({ isa, code, name }) => isa === row.isa && code === row.code && name === row.name,
      )!;
      expect(row.user + row.kernel + row.unknown).toBe(reason.exits);
    }
    if (escalation.known) {
      expect(sum(devices!.escalations, (row) => row.count)).toBe(BigInt(escalation.escalated!));
      if (model.capture.timeIsNs) {
        expect(sum(devices!.escalations, (row) => row.userspaceNs)).toBe(BigInt(escalation.userspaceNs!));
        expect(sum(devices!.escalations, (row) => row.kernelNs)).toBe(BigInt(escalation.kernelNs!));
      }
      for (const by of escalation.byUserspaceReason)
        expect(
          sum(
            devices!.escalations.filter((row) => row.userspaceCode === by.code),
            (row) => row.count,
          ),
        ).toBe(BigInt(by.count));
      for (const by of escalation.byReason)
        expect(
          sum(
            devices!.escalations.filter(
              (row) => row.isa === by.isa && row.code === by.code && row.name === by.name,
            ),
            (row) => row.count,
          ),
        ).toBe(BigInt(by.escalated));
    } else {
      expect(devices!.escalations).toEqual([]);
      for (const row of detail!.rows) expect(row.escalated).toBeNull();
    }
  });
});

/** kind, direction and address of what an exit was about, read from perf's text; null: none of the four kinds. */
function detailOf({ between }: ScriptExit): string | null {
  for (const { name, text } of between) {
    const pio = name === 'kvm_pio' && /^pio_(read|write) at (0x[0-9a-f]+) /.exec(text);
    if (pio) return `port ${pio[1]} ${pio[2]}`;
    const mmio =
      name === 'kvm_mmio' && /^mmio (unsatisfied-read|read|write) len \d+ gpa (0x[0-9a-f]+)/.exec(text);
    if (mmio) return `mmio ${mmio[1].replace('unsatisfied-', '')} ${mmio[2]}`;
    const msr = name === 'kvm_msr' && /^msr_(read|write) ([0-9a-f]+) /.exec(text);
    if (msr) return `msr ${msr[1]} 0x${msr[2]}`;
    const cpuid = name === 'kvm_cpuid' && /^func ([0-9a-f]+) /.exec(text);
    if (cpuid) return `cpuid null 0x${cpuid[1]}`;
    if (/^kvm_(hypercall|cr|fast_mmio|hv_hypercall)$/.test(name)) return null;
  }
  return null;
}

const scripts = corpus.filter(
  ({ id, path }) =>
    /perf\.data$/.test(id) && existsSync(join(dirname(path), 'script-ns.txt.gz')) && !/lost/.test(id),
);

describe.skipIf(!HAS_SHARED).each(scripts.map(({ id, path }) => [id, path] as const))(
  'perf script of %s',
  (_, path) => {
    const exits = pairScript(readScript(join(dirname(path), 'script-ns.txt.gz')));
    test('details with their exits', async () => {
      const wanted = new Map<string, [number, number]>();
      for (const exit of exits) {
        const detail = detailOf(exit);
        if (detail === null) continue;
        const key = `${exit.reason} ${detail}`;
        const row = wanted.get(key) ?? [0, 0];
        wanted.set(key, [row[0] + 1, row[1] + (exit.latency ?? 0)]);
      }
      const model = await report(path);
      const found = new Map<string, [number, number]>();
      for (const row of model.detail!.rows)
        if (['port', 'mmio', 'msr', 'cpuid'].includes(row.kind))
          found.set(`${row.name} ${row.kind} ${row.direction} ${row.address}`, [
            row.exits,
            Number(row.totalNs),
          ]);
      expect([...found].sort()).toEqual([...wanted].sort());
    });
    test('hot spots', async () => {
      const wanted = new Map<string, number>();
      for (const { exit, reason } of exits) {
        const key = `${reason} ${exit.pid} ${/rip (0x[0-9a-f]+)/.exec(exit.text)![1]}`;
        wanted.set(key, (wanted.get(key) ?? 0) + 1);
      }
      const { hotspots } = await report(path);
      expect(hotspots!.rows.length).toBeGreaterThan(0);
      for (const row of hotspots!.rows)
        expect([row.name, row.rip, row.exits]).toEqual([
          row.name,
          row.rip,
          wanted.get(`${row.name} ${row.pid} ${row.rip}`),
        ]);
    });
    test('events during slow exits', async () => {
      const { context, slow } = await report(path);
      expect(context!.exits.length).toBe(slow.length);
      for (const shown of context!.exits) {
        const exit = exits.find(
          ({ exit: { ns, tid }, latency }) =>
            ns === shown.exitNs && tid === shown.tid && latency === slow[shown.slow].latencyNs,
        )!;
        const own = shown.events.filter(({ tid }) => tid === shown.tid);
        if (shown.omitted > 0) continue;
        expect(own.map(({ name, offsetNs }) => `${offsetNs} ${name}`)).toEqual(
          exit.between.map(({ name, ns }) => `${Number(ns - exit.exit.ns)} ${name}`),
        );
      }
    });
  },
);

describe.skipIf(!HAS_SHARED)("the kernel's and QEMU's word", () => {
  const one = (id: string) => corpus.find((capture) => capture.id === id)!.path;
  test('agree within one ftrace recording', async () => {
    const { qemu } = await report(one('x86/st-pipe-mono/trace_pipe.txt'));
    expect(qemu!.check).toMatchObject({ agrees: true, kernelOnly: 0, qemuOnly: 0 });
    expect(qemu!.check!.matched).toBeGreaterThan(100);
    for (const row of qemu!.check!.rows)
      expect(row.kernel - row.matched + (row.qemu - row.matched)).toBeLessThanOrEqual(row.edges + 1);
  });
  test('agree between perf.data and simpletrace on one clock', async () => {
    const folder = dirname(one('x86/st-pf-mono/perf.data'));
    const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
    const { qemu } = await runReport([join(folder, 'perf.data'), join(folder, 'trace.bin')], {
      ...defaultReportOptions(),
      passes: sectionRequests([], slow),
    });
    expect(qemu!.check).toMatchObject({ agrees: true, kernelOnly: 0, qemuOnly: 0 });
    expect(qemu!.check!.matched).toBeGreaterThan(100);
  });
});
