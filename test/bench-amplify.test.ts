import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';

const REPO = path.resolve(import.meta.dirname, '..');
const AMPLIFY = path.join(REPO, 'bench/amplify.mjs');
const COPIES = 3;

const bases: { baseSample: (kind: string) => string | undefined } = await import(
  path.join(REPO, 'bench/run/bases.mjs')
);
const scratch = mkdtempSync(path.join(tmpdir(), 'kvmtrace-amplify-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Amplified {
  copies: number;
  periodNs: string;
  baseEvents: number;
  events: number;
  bytes: number;
}

let serial = 0;
function amplify(base: string, ...options: string[]) {
  const file = path.join(scratch, `out-${serial++}`);
  const out = execFileSync(process.execPath, [AMPLIFY, base, '-o', file, '--json', ...options], {
    encoding: 'utf8',
  });
  const told: Amplified = JSON.parse(out);
  return { file, ...told, period: BigInt(told.periodNs), bytes: readFileSync(file) };
}

const cached = new Map<string, ReturnType<typeof amplify>>();
function threeOf(kind: string) {
  const known = cached.get(kind) ?? amplify(base(kind), '--copies', String(COPIES));
  cached.set(kind, known);
  return known;
}

function base(kind: string): string {
  return bases.baseSample(kind) as string;
}

function has(tool: string): boolean {
  return spawnSync(tool, ['--version']).error === undefined;
}

/** Skips with the reason in the test's name, so that a green run does not hide it. */
function needs(kind: string, tool?: string) {
  const lacking =
    bases.baseSample(kind) === undefined ? `no ${kind} sample` : tool && !has(tool) ? `no ${tool}` : '';
  return (name: string, run: () => void) =>
    lacking ? test.skip(`${name} [SKIPPED: ${lacking}]`, run) : test(name, run);
}

/** Every line of the reference tool's output on the copies is the base's line, `period` later. */
function expectShifted(baseLines: string[], lines: string[], period: bigint, stamp: RegExp) {
  expect(baseLines.length).toBeGreaterThan(100);
  expect(lines.length).toBe(COPIES * baseLines.length);
  const split = (line: string) => {
    const match = stamp.exec(line);
    if (!match) throw new Error(`no time in: ${line}`);
    const rest = line.replace(match[0], '').replaceAll(/\s+/g, ' ');
    return { ns: BigInt(match[1]) * 1_000_000_000n + BigInt(match[2].padEnd(9, '0')), rest };
  };
  const expected = baseLines.map(split);
  lines.forEach((line, i) => {
    const want = expected[i % baseLines.length];
    const got = split(line);
    const at = want.ns + BigInt(Math.floor(i / baseLines.length)) * period;
    if (got.ns !== at || got.rest !== want.rest)
      throw new Error(`line ${i}: ${line}\nexpected ${at}${want.rest}`);
  });
}

function linesOf(command: string, args: string[]): string[] {
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  expect(run.status, run.stderr).toBe(0);
  return run.stdout.trimEnd().split('\n');
}

/** A reading of perf.data of its own: (type, body) of every record; offsets only from the header. */
function perfRecords(file: Buffer) {
  const records: { type: number; bytes: Buffer }[] = [];
  const start = Number(file.readBigUInt64LE(40));
  const end = start + Number(file.readBigUInt64LE(48));
  let at = start;
  while (at < end) {
    const size = file.readUInt16LE(at + 6);
    expect(size).toBeGreaterThanOrEqual(8);
    records.push({ type: file.readUInt32LE(at), bytes: file.subarray(at, at + size) });
    at += size;
  }
  expect(at).toBe(end);
  const features: Buffer[] = [];
  for (let bit = 0, index = end; bit < 256; bit++) {
    if (!((file[72 + (bit >> 3)] >> (bit & 7)) & 1)) continue;
    const offset = Number(file.readBigUInt64LE(index));
    features[bit] = file.subarray(offset, offset + Number(file.readBigUInt64LE(index + 8)));
    index += 16;
  }
  return { records, features };
}

describe('perf.data', () => {
  const SAMPLE = 9;
  const FINISHED_ROUND = 68;
  const SAMPLE_TIME = 21;

  needs('perf.data')('repeats every sample later, in whole rounds, with the features behind the data', () => {
    const before = perfRecords(readFileSync(base('perf.data')));
    const told = threeOf('perf.data');
    const after = perfRecords(told.bytes);
    const of = (from: typeof before, type: number) => from.records.filter((record) => record.type === type);

    const samples = of(before, SAMPLE);
    const copies = of(after, SAMPLE);
    expect(copies.length).toBe(COPIES * samples.length);
    expect(told.events).toBe(copies.length);
    // perf's samples here: IDENTIFIER, IP, TID, then TIME
    const time = (record: { bytes: Buffer }) => record.bytes.readBigUInt64LE(32);
    copies.forEach((copy, i) => {
      const original = samples[i % samples.length];
      const shifted = Buffer.from(original.bytes);
      shifted.writeBigUInt64LE(time(original) + BigInt(Math.floor(i / samples.length)) * told.period, 32);
      if (!copy.bytes.equals(shifted)) throw new Error(`sample ${i} differs in more than its time`);
    });
    const sorted = samples.map(time).sort((a, b) => (a < b ? -1 : 1));
    expect(sorted[0] + told.period).toBeGreaterThan(sorted[sorted.length - 1]);

    expect(of(after, FINISHED_ROUND).length).toBe(COPIES * of(before, FINISHED_ROUND).length);
    // what perf made up at the start (time 0) stands once: the id index does
    expect(of(after, 69).length).toBe(of(before, 69).length);
    before.features.forEach((body, bit) => {
      if (bit !== SAMPLE_TIME) expect(after.features[bit].equals(body), `feature ${bit}`).toBe(true);
    });
    const last = (from: typeof before) => from.features[SAMPLE_TIME].readBigUInt64LE(8);
    expect(last(after)).toBe(last(before) + 2n * told.period);
  });

  needs('perf.data', 'perf')('perf script prints the base again and again, later', () => {
    const fields = ['script', '--ns', '-F', 'comm,pid,tid,cpu,time,event,trace', '-i'];
    const { file, period } = threeOf('perf.data');
    const stamp = / (\d+)\.(\d{9}):/;
    expectShifted(
      linesOf('perf', [...fields, base('perf.data')]),
      linesOf('perf', [...fields, file]),
      period,
      stamp,
    );
  });

  needs('perf.data', 'perf')(
    'perf kvm stat report counts as often as there are copies, but for the seams',
    () => {
      const table = (file: string) => {
        const run = spawnSync('perf', ['kvm', '-i', file, 'stat', 'report'], { encoding: 'utf8' });
        const total = /Total Samples:(\d+), Total events handled time:([\d.]+)us/.exec(
          run.stdout + run.stderr,
        );
        return { samples: Number(total?.[1]), us: Number(total?.[2]) };
      };
      const one = table(base('perf.data'));
      const three = table(threeOf('perf.data').file);
      // an exit open at the end of a copy is closed by the next one: at most one per vCPU thread and seam
      expect(three.samples).toBeGreaterThanOrEqual(COPIES * one.samples);
      expect(three.samples).toBeLessThanOrEqual(COPIES * one.samples + 2 * 64);
      expect(three.us).toBeGreaterThanOrEqual(COPIES * one.us - 0.1);
    },
  );

  needs('perf.data')('comes as large as asked for', () => {
    const told = amplify(base('perf.data'), '--size', '4M');
    const copy = (told.bytes.length - readFileSync(base('perf.data')).length) / Math.max(1, told.copies - 1);
    expect(Math.abs(told.bytes.length - 4 * 1024 * 1024)).toBeLessThanOrEqual(Math.max(copy, 65536));
    expect(amplify(base('perf.data'), '--events', String(2 * told.baseEvents + 1)).copies).toBe(3);
  });
});

describe.each(['trace.dat v6', 'trace.dat v7'])('%s', (kind) => {
  const report = ['report', '-t', '-i'];
  const stamp = / (\d+)\.(\d{9}):/;

  needs(kind, 'trace-cmd')('trace-cmd reports every event again, later', () => {
    const { file, period, events } = threeOf(kind);
    const one = linesOf('trace-cmd', [...report, base(kind)]).filter((line) => stamp.test(line));
    const three = linesOf('trace-cmd', [...report, file]).filter((line) => stamp.test(line));
    expect(three.length).toBe(events);
    expectShifted(one, three, period, stamp);
  });

  needs(kind, 'trace-cmd')('compressed by trace-cmd it reads the same', () => {
    const { file } = threeOf(kind);
    const packed = amplify(base(kind), '--copies', String(COPIES), '--zstd');
    expect(packed.bytes.length).toBeLessThan(readFileSync(file).length / 2);
    const lines = (name: string) =>
      linesOf('trace-cmd', [...report, name]).filter((line) => stamp.test(line));
    expect(lines(packed.file)).toEqual(lines(file));
  });

  needs(kind)('one copy is the base itself', () => {
    expect(amplify(base(kind), '--copies', '1').bytes.equals(readFileSync(base(kind)))).toBe(true);
  });
});

describe('trace_pipe text', () => {
  const stamp = / (\d+)\.(\d{6}):/;

  needs('trace_pipe text')('repeats every line with nothing changed but its time', () => {
    const packed = readFileSync(base('trace_pipe text'));
    const plain = packed[0] === 0x1f ? gunzipSync(packed) : packed;
    const { bytes, period } = threeOf('trace_pipe text');
    const lines = (text: Buffer) =>
      text
        .toString('latin1')
        .trimEnd()
        .split('\n')
        .filter((line) => stamp.test(line));
    expectShifted(lines(plain), lines(bytes), period, stamp);
  });

  test('seconds may grow a digit, at any number of copies', () => {
    const file = path.join(scratch, 'small.txt');
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200_000 }),
        fc.array(fc.integer({ min: 0, max: 999_999 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 1, max: 12 }),
        (seconds, micros, copies) => {
          const text = micros.map((us, i) => {
            const time = `${String(seconds + i).padStart(5)}.${String(us).padStart(6, '0')}`;
            return `  CPU 0/KVM-${100 + i} [00${i}] d..1. ${time}: kvm_entry: vcpu 0, rip 0x1f\n`;
          });
          writeFileSync(file, text.join(''));
          const { bytes, period } = amplify(file, '--copies', String(copies));
          const times = [
            ...bytes.toString().matchAll(/\] d\.\.1\. +(\d+)\.(\d{6}): kvm_entry: vcpu 0, rip 0x1f$/gm),
          ];
          const us = times.map(([, s, f]) => BigInt(s) * 1_000_000n + BigInt(f));
          expect(us).toEqual(
            Array.from({ length: copies * micros.length }, (_, i) => {
              const row = i % micros.length;
              const copy = BigInt((i - row) / micros.length);
              return BigInt(seconds + row) * 1_000_000n + BigInt(micros[row]) + (copy * period) / 1000n;
            }),
          );
        },
      ),
      { numRuns: 8 },
    );
  });
});

describe('simpletrace', () => {
  /** A reading of its own: names once in front, then records up to the last byte. */
  function records(file: Buffer) {
    const found: { mapping: boolean; bytes: Buffer }[] = [];
    let at = 24;
    while (at < file.length) {
      const mapping = file.readUInt32LE(at) === 0;
      const size = mapping ? 20 + file.readUInt32LE(at + 16) : 8 + file.readUInt32LE(at + 24);
      found.push({ mapping, bytes: file.subarray(at, at + size) });
      at += size;
    }
    expect(at).toBe(file.length);
    return { names: found.filter(({ mapping }) => mapping), events: found.filter(({ mapping }) => !mapping) };
  }

  needs('simpletrace')('repeats every record later, the names once', () => {
    const before = records(readFileSync(base('simpletrace')));
    const told = threeOf('simpletrace');
    const after = records(told.bytes);
    expect(after.names).toEqual(before.names);
    expect(after.events.length).toBe(COPIES * before.events.length);
    after.events.forEach(({ bytes }, i) => {
      const want = Buffer.from(before.events[i % before.events.length].bytes);
      const copy = BigInt(Math.floor(i / before.events.length));
      want.writeBigUInt64LE(want.readBigUInt64LE(16) + copy * told.period, 16);
      if (!bytes.equals(want)) throw new Error(`record ${i} differs in more than its time`);
    });
  });
});

describe('what cannot be amplified', () => {
  const refuse = (bytes: Buffer | string) => {
    const file = path.join(scratch, 'bad');
    writeFileSync(file, bytes);
    const run = spawnSync(process.execPath, [AMPLIFY, file, '-o', `${file}.out`, '--copies', '2'], {
      encoding: 'utf8',
    });
    expect(run.status).toBe(2);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    return run.stderr;
  };

  test('something else, and amounts that are none', () => {
    expect(refuse('hello\n')).toMatch(/neither perf.data/);
    const run = spawnSync(process.execPath, [AMPLIFY, 'x', '-o', 'y', '--size', 'much'], {
      encoding: 'utf8',
    });
    expect([run.status, run.stderr]).toEqual([2, 'amplify: not an amount: much\n']);
  });

  needs('perf.data')('perf.data in pipe mode, and one that was cut off', () => {
    const file = readFileSync(base('perf.data'));
    const pipe = Buffer.from(file);
    pipe.writeBigUInt64LE(16n, 8);
    expect(refuse(pipe)).toMatch(/pipe mode/);
    expect(refuse(file.subarray(0, 100_000))).toMatch(/not finished/);
  });
});
