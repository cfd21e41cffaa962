/** Sections that keep so many threads and no more say what they leave out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { haltPollingSection } from '../src/report/build-halt-polling.ts';
import { stormsSection } from '../src/report/build-storms.ts';
import type { ReportModel } from '../src/report/model.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { plausibleModel } from './fixtures/report-models.ts';
import { madeUp } from './support/made-up-report.ts';
import { defaultReportOptions } from './support/options.ts';

test('storms of more threads than are told apart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
  const line = (tid: number, at: number, event: string) =>
    `           <...>-${tid}  [001] d..1.    ${17 + Math.floor(at / 1e6)}.${String(at % 1e6).padStart(6, '0')}: ${event}\n`;
  const report = async (threads: number) => {
    const path = join(folder, 'trace');
    const lines = Array.from({ length: threads }, (_, i) => [
      line(1000 + i, 100 * i, 'kvm_exit: vcpu 0 reason HLT rip 0x1000 info1 0x0 info2 0x0'),
      line(1000 + i, 100 * i + 50, 'kvm_entry: vcpu 0, rip 0x1002'),
    ]);
    writeFileSync(path, lines.flat().join(''));
    const passes = sectionRequests(['storms'], { slowLimit: 1, thanNs: 0, includeIdle: true });
    const model = await runReport([path], { ...defaultReportOptions(), passes });
    const words = stormsSection.blocks(model, 30, true).flatMap(({ sentences }) => sentences);
    return { ...model.storms!.leftOut, words: words.join(' ') };
  };
  try {
    const few = await report(100);
    expect(few).toMatchObject({ rates: 0, simultaneous: 0, beats: 0 });
    expect(few.words).not.toMatch(/left out|have a rate of their own/);
    const many = await report(4200);
    expect(many).toMatchObject({ rates: 4200 - 2048, simultaneous: 4200 - 4096, beats: 4200 - 1024 });
    expect(many.words).toContain('more reasons or threads than have a rate of their own');
    expect(many.words).toContain('104 exits left out: there are more threads or reasons than are kept.');
    expect(many.words).toContain('3,176 exits left out');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('periodic exits that are known only after later ones of their thread', async () => {
  const report = await madeUp(['storms']);
  const leftOut = (cpu: number) => {
    const model = report(
      [
        // Whether CPU 0 lost something before the entry on CPU 1 shows only with its next event.
        { time: 10, event: EV_EXIT, isa: ISA_VMX, code: 12, cpu },
        { time: 20, event: EV_ENTRY, cpu: 1 },
        { time: 30, event: EV_EXIT, isa: ISA_VMX, code: 12, cpu: 1 },
        { time: 40, event: EV_ENTRY, cpu: 1 },
        { time: 50, event: EV_EXIT, isa: ISA_VMX, code: 12, cpu, tid: 8 },
      ],
      null,
    );
    const words = stormsSection.blocks(model, 30, true).flatMap(({ sentences }) => sentences);
    return [model.storms!.leftOut.late, words.some((word) => /known only after later ones/.test(word))];
  };
  expect(leftOut(0)).toEqual([1, true]);
  expect(leftOut(1)).toEqual([0, false]);
});

test('halts that tell no thread or no time', () => {
  const words = (over: Partial<NonNullable<ReportModel['haltPolling']>>) => {
    const haltPolling = { known: false, total: null, rows: [], leftOut: 0, ...over };
    return haltPollingSection.blocks(plausibleModel({ haltPolling }), 30, true)[0].sentences;
  };
  expect(words({})).toEqual(['Not recorded: no kvm_vcpu_wakeup in the capture.']);
  expect(words({ leftOut: 3 })).toEqual([
    'Not known: no kvm_vcpu_wakeup tells its thread and its time.',
    '3 events left out: they tell no thread, or no time.',
  ]);
});
