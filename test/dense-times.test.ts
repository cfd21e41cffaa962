/** `trace-cmd report` of clock uptime prints ticks of 10 ms as nanoseconds: no latency may be made of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-dense-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `count` exits and their entries, `step` ns apart each, with `digits` behind the dot. */
async function report(count: number, step: number, digits: number, seconds = 0) {
  const lines = Array.from({ length: 2 * count }, (_, i) => {
    const ns = 8899 + Math.floor(i * step);
    const time = `${seconds}.${String(ns).padStart(9, '0').slice(0, digits)}`;
    const text = i & 1 ? 'vcpu 1 rip 0xffffffff9be17a0b' : 'reason EXIT_MSR rip 0xffffffff9b473914 info 1 0';
    return `       CPU 1/KVM-139   [000]     ${time}: ${(i & 1 ? 'kvm_entry:' : 'kvm_exit:').padEnd(22)} ${text}`;
  });
  const file = path.join(folder, 'unknown');
  writeFileSync(file, `cpus=2\n${lines.join('\n')}\n`);
  return runReport([file], defaultReportOptions());
}

test.each([
  [6, 0],
  [9, 0],
  [9, 700_000],
])('more events than nanoseconds: counts, no durations (%d digits, at %d s)', async (digits, seconds) => {
  const model = await report(600, 0.05, digits, seconds);
  expect(model.capture.timeIsNs).toBe(false);
  expect(model.quality).toMatchObject({ exits: 600, paired: 600 });
  expect(model.reasons[0]).toMatchObject({ exits: 600, totalNs: null, maxNs: null });
  expect(model.quality.warnings.map(({ code }) => code)).toContain('time-without-unit');
});

test.each([
  ['events 2 ns apart', 600, 2, 9, 0],
  ['events 2 ns apart, days after boot,', 600, 2, 9, 700_000],
  ['a few in one microsecond', 40, 0.05, 6, 0],
])('%s are times', async (_, count, step, digits, seconds) => {
  const model = await report(count, step, digits, seconds);
  expect(model.capture.timeIsNs).toBe(true);
  expect(model.quality.paired).toBe(count);
});
