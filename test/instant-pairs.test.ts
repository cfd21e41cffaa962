/** A clock that stands still makes exits of 0 ns, which a report must not pass off as fast. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ReportOptions } from '../src/commands/options.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-instant-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Three exits whose entries follow after `gaps` ns; `digits` of the seconds as perf script prints them. */
async function notesOf(gaps: readonly number[], digits: number): Promise<string> {
  const lines = gaps.flatMap((gap, i) => {
    const line = (ns: number, event: string) =>
      `       CPU 0/KVM   139 [000]   100.${String(ns).padStart(9, '0').slice(0, digits)}: ${event}`;
    const at = 1_000_000 * (i + 1);
    return [
      line(
        at,
        'kvm:kvm_exit: vcpu 0 reason CPUID rip 0x10 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
      ),
      line(at + gap, 'kvm:kvm_entry: vcpu 0, rip 0x12'),
    ];
  });
  const path = join(folder, 'script.txt');
  writeFileSync(path, `${lines.join('\n')}\n`);
  const model = await runReport([path], defaultReportOptions());
  expect(model.quality.paired).toBe(gaps.length);
  return model.notes.join('\n');
}

test('pairs of one stamp are counted and told', async () => {
  expect(await notesOf([0, 900, 0], 9)).toContain('In 2 pairs exit and entry have the same time');
  expect(await notesOf([800, 900, 700], 9)).not.toContain('same time');
});

test('stamps of 1 us say nothing about the clock', async () => {
  expect(await notesOf([0, 900, 0], 6)).not.toContain('same time');
});

describe('pairs with odd stamps are those that the report chooses', () => {
  /** Of each: vCPU, ns of exit and entry, CPU. */
  const PAIRS = [
    [0, 1_000, 1_000, 0],
    [0, 5_000, 5_001, 0],
    [0, 9_000, 8_500, 0],
    [1, 11_000, 11_000, 1],
    [1, 15_000, 14_000, 1],
    [1, 19_000, 18_000, 0],
    [1, 25_000, 26_000, 1],
  ] as const;
  const path = join(folder, 'odd.txt');
  writeFileSync(
    path,
    PAIRS.flatMap(([vcpu, exit, entry, cpu]) => {
      const line = (ns: number, event: string) =>
        `       CPU ${vcpu}/KVM   ${139 + vcpu} [00${cpu}]   100.${String(ns).padStart(9, '0')}: ${event}\n`;
      return [
        line(
          exit,
          `kvm:kvm_exit: vcpu ${vcpu} reason CPUID rip 0x10 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000`,
        ),
        line(entry, `kvm:kvm_entry: vcpu ${vcpu}, rip 0x12`),
      ];
    }).join(''),
  );

  async function told(options: ReportOptions) {
    const { quality, notes } = await runReport([path], options);
    const same = notes.map((note) => /In (\d+) pairs? exit and entry have the same time/.exec(note)?.[1]);
    const warning = quality.warnings.find(({ code }) => code === 'negative-latency');
    expect(warning?.count ?? 0).toBe(quality.negativeLatency);
    return [quality.paired, quality.negativeLatency, Number(same.find((count) => count) ?? 0)];
  }

  test.each([
    ['all', null, [7, 3, 2]],
    ['vCPU 0', { vcpus: [0] }, [3, 1, 1]],
    ['vCPU 1', { vcpus: [1] }, [4, 2, 1]],
    ['CPU 0', { cpus: [0] }, [4, 2, 1]],
  ] as const)('%s', async (_, filters, expected) => {
    const options = defaultReportOptions();
    expect(
      await told({
        ...options,
        filters: { ...options.filters, ...filters, words: [{ kind: 'vcpu', words: 'some' }] },
      } as ReportOptions),
    ).toEqual(expected);
  });
});
