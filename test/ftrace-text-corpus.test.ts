/** Every tracefs text of samples and corpus: counts equal to what an independent program took from the same text. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isaName } from '../src/core/isa-codes.ts';
import { publicCode } from '../src/isa/reasons.ts';
import { ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { SNIFF_BYTES } from '../src/parsers/trace-format.ts';
import { type CorpusCapture, HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { readText, type TextRow } from './support/ftrace-text.ts';

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ id }) => /\/trace(_pipe)?\.txt$/.test(id));

function load(path: string): Uint8Array {
  const bytes = readFileSync(path);
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
}

/** The kernel's own events: markers are split by QEMU's names here and one event there. */
function kernelEvents(rows: readonly TextRow[], expected: CorpusCapture['expected']): Record<string, number> {
  const counts = countBy(
    rows.filter((row) => row.event !== '(lost)'),
    (row) => (row.event in expected.events ? row.event : 'tracing_mark_write'),
  );
  return counts;
}

test('there are captures to compare with', () => {
  expect(captures.length).toBeGreaterThanOrEqual(HAS_SHARED ? 30 : 4);
});

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, { path, expected }) => {
  const bytes = load(path);
  const { rows, context, diagnostics } = readText(bytes);

  test('is recognised', () => {
    expect(ftraceText.sniff(bytes.subarray(0, SNIFF_BYTES), 'x').confidence).toBeGreaterThanOrEqual(2);
  });

  test('gives the same events, losses, exits and userspace exits', () => {
    expect(kernelEvents(rows, expected)).toEqual(expected.events);
    const losses = rows.filter((row) => row.event === '(lost)');
    expect(losses.length).toBe(expected.lost.marks);
    expect(losses.reduce((sum, row) => sum + Number(row.arg0 ?? 0n), 0)).toBe(expected.lost.events);
    const exits = rows.filter((row) => row.event === 'kvm_exit');
    const wanted: Record<string, number> = {};
    for (const { isa, code, name, exits: count } of expected.reasons)
      wanted[`${isa} ${code ?? name}`] = (wanted[`${isa} ${code ?? name}`] ?? 0) + count;
    expect(
      countBy(exits, ({ isa, code }) => {
        const number = publicCode(isa ?? 0, code ?? -1);
        return `${isaName(isa ?? 0)} ${number ?? { 0: 'IRQ', 1: 'SERROR' }[(code ?? 0) & 0xffff]}`;
      }),
    ).toEqual(wanted);
    const threads = expected.threads.map(({ tid, exits: count }) => [String(tid), count]);
    expect(countBy(exits, (row) => String(row.tid))).toEqual(Object.fromEntries(threads));
    for (const { tid, comm } of expected.threads)
      if (comm !== '<...>') expect(context.threads.byTid.get(tid)?.comm).toBe(comm);
    const restarts = rows.filter((row) => row.event === 'kvm_userspace_exit' && row.arg0 === -4n).length;
    expect(restarts).toBeGreaterThanOrEqual(expected.quality.restarts);
    // QEMU's events of a build whose declarations are not given.
    const { 'events-without-arguments': _bare, ...others } = diagnostics;
    expect(others).toEqual({});
  });

  test('is in time order, and in file order within each CPU', () => {
    for (let i = 1; i < rows.length; i++) expect(rows[i].time >= rows[i - 1].time).toBe(true);
    const printed: Record<string, bigint[]> = {};
    for (const [, cpu, seconds, micros] of Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/^.{16}-\d+ +(?:\([ \d-]+\) )?\[(\d{3})\] (?:\S{5})? +(\d+)\.(\d{6}): /gm)) {
      printed[Number(cpu)] ??= [];
      printed[Number(cpu)].push(BigInt(seconds + micros) * 1000n);
    }
    const got: Record<string, bigint[]> = {};
    for (const row of rows) {
      if (row.event === '(lost)') continue;
      got[row.cpu!] ??= [];
      got[row.cpu!].push(row.time);
    }
    expect(got).toEqual(printed);
  });

  // Other lines than exactly the commonest ones go through another reader, which must say the same.
  test('reads the same from lines with a blank at the end', () => {
    const blanked = Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('\n', ' \n'), 'latin1');
    expect(readText(blanked).rows).toEqual(rows);
  });

  test('reads the same with CRLF line ends', () => {
    const crlf = Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    expect(readText(crlf)).toMatchObject({ rows, diagnostics });
  });
});

const corpus = (name: string) => load(join(SHARED, 'corpus', name));

describe.runIf(HAS_SHARED)('captures without a usable time', () => {
  test.each(['counter', 'x86-tsc'])('clock %s: plain numbers, counted and in order', (clock) => {
    const bytes = corpus(`x86/tp-clock-${clock}/trace_pipe.txt.gz`);
    const { rows, context, diagnostics } = readText(bytes);
    const lines = Buffer.from(bytes).toString('latin1').trimEnd().split('\n');
    expect(rows.length).toBe(lines.length);
    expect(rows[0].time).toBe(BigInt(/(\d+): kvm_/.exec(lines[0])![1]));
    expect(context.timeIsNs).toBe(false);
    expect(diagnostics).toEqual({ 'time-without-unit': 1 });
  });

  test.each([
    ['tp-nocontext', /no thread, CPU or time/],
    ['tp-raw', /neither event names nor fields/],
  ])('%s is claimed and refused with the reason', (name, reason) => {
    const bytes = corpus(`x86/${name}/trace_pipe.txt.gz`);
    expect(ftraceText.sniff(bytes.subarray(0, SNIFF_BYTES), '').confidence).toBeGreaterThan(0);
    expect(() => readText(bytes)).toThrow(reason);
  });
});

describe.runIf(HAS_SHARED)('traces published by others', () => {
  test('mail-wrapped lines are joined again', () => {
    const wrapped = readFileSync(join(SHARED, 'public/lkml-vmware-l0-spurious-ept/trace.txt'), 'utf8');
    const { rows } = readText(wrapped);
    const joined = wrapped
      .split('\n')
      .reduce((text, line) => text + (/^\S+-\d+\s+\[/.test(line) ? `\n${line}` : ` ${line}`), '')
      .trim();
    expect(rows).toEqual(readText(`${joined}\n`).rows);
    expect(
      rows.filter((row) => row.event === 'kvm_exit').every((row) => row.info2 === 0n && row.code === 48),
    ).toBe(true);
  });

  test('arm64 nested: classes and addresses from the second line', () => {
    const { rows } = readText(readFileSync(join(SHARED, 'public/arm64-nv-kvmtool/trace.txt')));
    expect(rows.map(({ event, code }) => `${event} ${code}`)).toEqual(
      rows.map((_, i) => (i % 2 === 0 ? 'kvm_exit 24' : 'kvm_entry null')),
    );
    expect(rows.every((row) => row.address !== null && row.address >> 12n === 0x80528n)).toBe(true);
  });
});
