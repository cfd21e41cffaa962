/** A clock that stands still makes exits of 0 ns, which a report must not pass off as fast. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
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
