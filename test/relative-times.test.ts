/** What perf script and trace-cmd report print in place of times, or beside them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { perfScript } from '../src/parsers/perf-script/index.ts';
import { traceCmdText } from '../src/parsers/trace-cmd-text/index.ts';
import type { ReportModel } from '../src/report/model.ts';
import { assessTrust } from '../src/report/trust.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';
import { defaultReportOptions } from './support/options.ts';

const scratch = mkdtempSync(join(tmpdir(), 'kvmtrace-relative-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Events of a tracefs sample as perf script prints them; `time`: ns of this and of the line before. */
const LINE = /^(.{16})-(\d+) +\[(\d+)\] \S+ +(\d+)\.(\d+): (kvm_\w+): (.*)$/;
const EVENTS = gunzipSync(readFileSync(join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz')))
  .toString('latin1')
  .split('\n')
  .flatMap((line) => {
    const match = LINE.exec(line);
    if (!match) return [];
    const [, comm, tid, cpu, seconds, micros, name, text] = match;
    return [{ comm, tid, cpu, ns: (Number(seconds) * 1e6 + Number(micros)) * 1000, name, text }];
  })
  .sort((a, b) => a.ns - b.ns)
  .slice(0, 3000);

type Print = (ns: number, i: number) => number;
const ABSOLUTE: Print = (ns) => ns;
const RELATIVE: Print = (ns) => ns - EVENTS[0].ns;
const DELTA: Print = (ns, i) => (i === 0 ? 0 : ns - EVENTS[i - 1].ns);

function print(time: Print, from = 0, to = EVENTS.length): string[] {
  return EVENTS.slice(from, to).map(({ comm, tid, cpu, ns, name, text }, i) => {
    const t = time(ns, from + i);
    const stamp = `${Math.floor(t / 1e9)}.${String(t % 1e9).padStart(9, '0')}`;
    return `${comm} ${tid.padStart(5)} [${cpu}] ${stamp.padStart(15)}:  kvm:${name}: ${text}`;
  });
}

const isDelta = (lines: readonly string[], maxRead = Infinity) =>
  'delta-times' in readText(`${lines.join('\n')}\n`, maxRead, perfScript).diagnostics;

async function report(lines: readonly string[], name: string): Promise<ReportModel> {
  const path = join(scratch, name);
  writeFileSync(path, Buffer.from(`${lines.join('\n')}\n`, 'latin1'));
  return runReport([path], { ...defaultReportOptions(), slowLimit: 5 });
}

describe('perf script --deltatime', () => {
  test('has counts, but no latencies, and a warning that says what to do', async () => {
    const absolute = await report(print(ABSOLUTE), 'absolute.txt');
    const delta = await report(print(DELTA), 'delta.txt');
    expect(absolute.capture.timeIsNs).toBe(true);
    expect(Number(absolute.totals.totalNs)).toBeGreaterThan(0);
    expect(delta.capture.timeIsNs).toBe(false);
    expect(delta.capture.events).toEqual(absolute.capture.events);
    expect(delta.quality).toMatchObject({
      exits: absolute.quality.exits,
      entries: absolute.quality.entries,
    });
    expect(delta.totals.totalNs).toBeNull();
    for (const row of delta.reasons) {
      const same = absolute.reasons.find(({ isa, code }) => isa === row.isa && code === row.code)!;
      expect([row.exits, row.totalNs, row.avgNs, row.maxNs]).toEqual([same.exits, null, null, null]);
    }
    expect(delta.slow).toEqual([]);
    expect(delta.quality.warnings.find(({ code }) => code === 'delta-times')).toMatchObject({
      severity: 'suspect',
      message: expect.stringContaining('without --deltatime'),
    });
    expect(delta.capture.durationNs).toBeNull();
    expect(assessTrust(delta)).toEqual({ ok: false, reasons: [expect.stringContaining('--deltatime')] });
  });

  test('the order of the lines is kept', () => {
    const { rows } = readText(`${print(DELTA).join('\n')}\n`, Infinity, perfScript);
    expect(rows.map(({ event }) => event)).toEqual(EVENTS.map(({ name }) => name));
  });

  test.each([1, 7, 4099])('in reads of %i bytes', (maxRead) => {
    expect(isDelta(print(DELTA, 0, 60), maxRead)).toBe(true);
    expect(isDelta(print(ABSOLUTE, 0, 60), maxRead)).toBe(false);
    expect(isDelta(print(RELATIVE, 0, 60), maxRead)).toBe(false);
  });

  test('whatever part of it is there: cut off in front, filtered, a few lines', () => {
    const all = print(DELTA);
    expect(isDelta(all.filter((line) => line.includes('kvm_exit')))).toBe(true);
    expect(isDelta(all.filter((line) => !line.includes('[000]')))).toBe(true);
    for (let from = 1; from < 2900; from += 100) {
      expect(isDelta(all.slice(from)), `from ${from}`).toBe(true);
      expect(isDelta(all.slice(from, from + 40)), `40 from ${from}`).toBe(true);
    }
    for (const count of [6, 10, 20]) expect(isDelta(all.slice(0, count)), `${count}`).toBe(true);
  });
});

describe('no deltas', () => {
  test('--reltime is the same but for where 0 is', async () => {
    const absolute = await report(print(ABSOLUTE), 'absolute.txt');
    const relative = await report(print(RELATIVE), 'relative.txt');
    expect(relative.quality.warnings.map(({ code }) => code)).toEqual(
      absolute.quality.warnings.map(({ code }) => code),
    );
    expect(relative.reasons).toEqual(absolute.reasons);
    expect(relative.capture.durationNs).toBe(absolute.capture.durationNs);
  });

  test('outputs behind each other, by thread, by CPU, backwards', () => {
    const relative = print(RELATIVE);
    const absolute = print(ABSOLUTE);
    const by = (text: RegExp) => (a: string, b: string) => (text.exec(a)![0] < text.exec(b)![0] ? -1 : 1);
    for (const lines of [relative, absolute]) {
      expect(isDelta([...lines.slice(0, 50), ...lines.slice(0, 50), ...lines.slice(0, 50)])).toBe(false);
      expect(isDelta([...lines].sort(by(/\[\d+\]/)))).toBe(false);
      expect(isDelta([...lines].reverse())).toBe(false);
      for (let count = 1; count < 12; count++) expect(isDelta(lines.slice(0, count))).toBe(false);
    }
    // Sorted by what they say.
    expect(isDelta([...absolute].sort(by(/kvm:.*/)))).toBe(false);
  });

  test('real times, in order, never look like deltas, whatever lies between them', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3_000_000_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 1e15 }), fc.nat(3), (steps, start, swaps) => {
        let at = start;
        const times = steps.map((step) => (at += step));
        // Events of two CPUs may be printed in the wrong order now and then.
        for (let i = 0; i < swaps && times.length > 80; i++) {
          const k = 10 + 20 * i;
          [times[k], times[k + 1]] = [times[k + 1], times[k]];
        }
        expect(isDelta(print((_, i) => times[i], 0, times.length))).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test.runIf(HAS_SHARED)('no printed recording of the corpus is taken for deltas', () => {
    let count = 0;
    for (const { path } of listCaptures(join(SHARED, 'corpus'))) {
      const text = join(path, '..', 'script-ns.txt.gz');
      let bytes: Buffer;
      try {
        bytes = gunzipSync(readFileSync(text));
      } catch {
        continue;
      }
      const head = bytes.subarray(0, bytes.lastIndexOf(10, 200_000) + 1);
      expect(readText(head, Infinity, perfScript).diagnostics, text).not.toHaveProperty('delta-times');
      count++;
    }
    expect(count).toBeGreaterThan(10);
  });
});

/** What a tool prints of a sample, null where it is not installed. */
function printed(tool: string, ...args: string[]): Buffer | null {
  const { status, stdout } = spawnSync(tool, args, {
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 && stdout.length > 0 ? stdout : null;
}

describe('the tools themselves', () => {
  const PERF = join(SAMPLES, 'intel-perf/perf.data');
  const DAT = join(SAMPLES, 'intel-trace-dat/trace.dat');
  const hasPerf = printed('perf', 'script', '-i', PERF) !== null;
  const hasTraceCmd = printed('trace-cmd', 'report', DAT) !== null;

  test.runIf(hasPerf).each([
    [[], false],
    [['--ns'], false],
    [['--reltime'], false],
    [['--reltime', '--ns'], false],
    [['--deltatime'], true],
    [['--deltatime', '--ns'], true],
  ])('perf script %j', (args, delta) => {
    const { rows, diagnostics } = readText(
      printed('perf', 'script', ...args, '-i', PERF)!,
      Infinity,
      perfScript,
    );
    expect(rows.length).toBeGreaterThan(3000);
    expect('delta-times' in diagnostics).toBe(delta);
  });

  test.runIf(hasTraceCmd).each([[[]], [['-t']], [['-R']], [['-l']], [['-t', '-R']]])(
    'trace-cmd report --ts-diff %j: the differences stand beside the times',
    (args) => {
      const read = (...more: string[]) =>
        readText(printed('trace-cmd', 'report', ...args, ...more, DAT)!, Infinity, traceCmdText);
      const plain = read();
      const diff = read('--ts-diff');
      expect(plain.rows.length).toBeGreaterThan(1000);
      expect(diff.rows).toEqual(plain.rows);
      expect(diff.diagnostics).toEqual(plain.diagnostics);
    },
  );

  test.runIf(hasTraceCmd)('trace-cmd report --align-ts: the same from 0 on', () => {
    const read = (...more: string[]) =>
      readText(printed('trace-cmd', 'report', '-t', ...more, DAT)!, Infinity, traceCmdText).rows;
    const plain = read();
    const aligned = read('--align-ts');
    expect(aligned).toEqual(plain.map((row) => ({ ...row, time: row.time - plain[0].time })));
  });
});
