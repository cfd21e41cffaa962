/** Several inputs of one run: clocks are aligned by the exits that both sides recorded. */

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '../src/analysis/bootstrap.ts';
import {
  addToSequence,
  alignSequences,
  createExitSequence,
  type ExitSequence,
  matchUnshifted,
} from '../src/capture/clock-align.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { EV_EXIT, EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { smallTrace } from './fixtures/small-trace.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import { eventBatch, type TestEvent } from './support/events.ts';
import { defaultReportOptions } from './support/options.ts';

const corpus = (path: string) => join(SHARED, 'corpus', path);

describe.skipIf(!HAS_SHARED)('kernel and QEMU recordings of one run', () => {
  test.each([
    ['x86/st-pf-mono', 'perf.data'],
    ['x86/st-tc-mono', 'trace.dat'],
    ['qemu/kvm-smp2-blk', 'trace_pipe.txt.gz'],
  ])('%s: clocks of one name are not shifted', async (folder, kernel) => {
    const model = await runReport(
      [corpus(`${folder}/${kernel}`), corpus(`${folder}/trace.bin`)],
      defaultReportOptions(),
    );
    expect(Object.entries(model.capture.facts).find(([name]) => name.startsWith('clock of'))?.[1]).toMatch(
      /^same/,
    );
    expect(model.quality.warnings.map(({ code }) => code)).not.toContain('clock-offset-uncertain');
  });

  test('st-pipe-local: QEMU is shifted onto the kernel clock "local"', async () => {
    const inputs = ['trace_pipe.txt.gz', 'trace.bin'].map((name) => corpus(`x86/st-pipe-local/${name}`));
    const model = await runReport(inputs, defaultReportOptions());
    const fact = Object.entries(model.capture.facts).find(([name]) => name.startsWith('clock of'))?.[1] ?? '';
    const [, offset, matched, total] = /shifted by (-?\d+) ns: (\d+) of (\d+) exits/.exec(fact) ?? [];
    expect(matched).toBe(total);
    // The kernel's own numbers do not change by a second input.
    const alone = await runReport([inputs[0]], defaultReportOptions());
    expect(model.quality).toMatchObject({ ...alone.quality, warnings: expect.anything() });
    expect(model.reasons).toEqual(alone.reasons);
    // Independent: the run's markers (ftrace backend) carry the same events on the kernel's clock.
    expect(Number(offset)).toBeGreaterThan(130_000_000);
    expect(Number(offset)).toBeLessThan(150_000_000);
  });
});

describe('inputs that hold the same exits', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-same-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const codes = async (paths: string[]) =>
    (await runReport(paths, defaultReportOptions())).quality.warnings.map(({ code }) => code);

  test('are told, also where one is printed and the other binary', async () => {
    const trace = smallTrace(300);
    const one = file('one', trace);
    expect(await codes([one, file('copy', `# tracer: nop\n${trace}`)])).toContain('same-exits-twice');
    if (!HAS_SHARED) return;
    const folderOf = (name: string) => corpus(`x86/tc-default/${name}`);
    expect(await codes([folderOf('trace.dat'), folderOf('report-raw.txt.gz')])).toContain('same-exits-twice');
  });

  test('files of one CPU each, halves of a recording and other recordings are none', async () => {
    const lines = smallTrace(300).split('\n');
    const cpu = (number: number) => lines.filter((line) => line.includes(`[00${number}]`)).join('\n');
    expect(await codes([file('cpu0', cpu(0)), file('cpu1', cpu(1))])).toEqual([]);
    const half = lines.length / 2;
    const [first, second] = [lines.slice(0, half), lines.slice(half)].map((part) => part.join('\n'));
    expect(await codes([file('first', first), file('second', second)])).toEqual([]);
    const later = smallTrace(300).replaceAll(' 100.', ' 101.');
    expect(await codes([file('a', lines.join('\n')), file('b', later)])).not.toContain('same-exits-twice');
  });

  test('one file twice is refused', async () => {
    const one = file('twice', smallTrace(30));
    await expect(codes([one, one])).rejects.toThrow(/twice is given twice/);
    symlinkSync(one, join(folder, 'link'));
    await expect(codes([one, join(folder, 'link')])).rejects.toThrow(/are the same file/);
  });
});

describe('alignSequences', () => {
  const sequence = (
    side: 'kernel' | 'qemu',
    base: bigint,
    exits: readonly [number, number, number][],
  ): ExitSequence => ({
    ...createExitSequence(side),
    base,
    times: exits.map(([time]) => time),
    reasons: exits.map(([, reason]) => reason),
    keys: exits.map(([, , key]) => key),
  });

  test('finds any offset, with delays, two vCPUs and a cut at both ends', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 2_000, max: 50_000_000 }),
            fc.constantFrom(2, 6, 5),
            fc.constantFrom(0, 1),
          ),
          {
            minLength: 60,
            maxLength: 300,
          },
        ),
        fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
        fc.integer({ min: 0, max: 10 }),
        (gaps, offset, cut) => {
          let time = 0;
          const exits = gaps.map(([gap, reason, key]): [number, number, number] => {
            time += gap;
            return [time, reason, key];
          });
          const kernel = sequence('kernel', 10n ** 12n, exits.slice(cut));
          const qemu = sequence(
            'qemu',
            10n ** 12n - offset,
            exits
              .slice(0, exits.length - cut)
              .map(([at, reason, key], i) => [at + 600 + (i % 7) * 50, reason, key]),
          );
          const found = alignSequences(kernel, qemu);
          // 600–900 ns of delay between the two events cannot be told from an offset.
          expect(Number((found?.offsetNs ?? 0n) - offset)).toBeGreaterThanOrEqual(-1000);
          expect(Number((found?.offsetNs ?? 0n) - offset)).toBeLessThanOrEqual(-500);
          expect(found?.sure).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('takes from each side what the other has as well: returns of KVM_RUN without error', () => {
    const at = (time: number, event: number, code: number, over: object): TestEvent => ({
      ...{ time: 2 ** 33 + time, event, code },
      ...over,
    });
    const batch = eventBatch([
      at(0, EV_EXIT, 30, { tid: 7, arg0: 0 }),
      at(10, EV_USERSPACE_EXIT, 2, { tid: 7, arg0: 0 }),
      at(20, EV_USERSPACE_EXIT, 10, { tid: 7, arg0: -4 }),
      at(25, EV_RUN_EXIT, 2, { vcpu: 1 }),
      // Text that does not print errno.
      at(30, EV_USERSPACE_EXIT, 6, { tid: 8 }),
      at(40, EV_USERSPACE_EXIT, 0, { tid: 8, arg0: -14 }),
      at(45, EV_RUN_EXIT, 6, { vcpu: 0 }),
    ]);
    const [kernel, qemu] = (['kernel', 'qemu'] as const).map((side) => {
      const taken = createExitSequence(side);
      expect(addToSequence(taken, batch)).toBe(true);
      return taken;
    });
    expect(kernel).toMatchObject({ base: 2n ** 33n + 10n, times: [0, 20], reasons: [2, 6], keys: [7, 8] });
    expect(qemu).toMatchObject({ base: 2n ** 33n + 25n, times: [0, 20], reasons: [2, 6], keys: [1, 0] });
  });

  test('is sure if nine of ten of QEMU’s exits in the common time have the kernel’s beside them', () => {
    const next = createRandom(3);
    let time = 0;
    const exits = Array.from({ length: 200 }, (_, i): [number, number, number] => {
      time += 3e6 + Math.floor(next() * 2e7);
      return [time, [2, 6, 5][i % 3], 0];
    });
    const offset = 77_000_000_123n;
    for (const [alone, sure] of [
      [0, true],
      [20, true],
      [25, false],
    ] as const) {
      const kernel = sequence('kernel', 10n ** 12n, exits);
      const moved = exits.map(([at, reason, key], i): [number, number, number] => [
        at + 500 + 10 * (i % 11),
        // A reason that the kernel never tells.
        i % 8 === 3 && i < 8 * alone ? 99 : reason,
        key,
      ]);
      const found = alignSequences(kernel, sequence('qemu', 10n ** 12n - offset, moved))!;
      expect([found.matched, found.total, found.sure]).toEqual([200 - alone, 200, sure]);
      // Delays are 500 to 600 ns: the middle 80 % of them lie within 90.
      expect(found.spreadNs).toBeGreaterThanOrEqual(70);
      expect(found.spreadNs).toBeLessThanOrEqual(90);
    }
  });

  test('of a guest that polls finds the very offset, though many exits lie within its first guess', () => {
    const next = createRandom(8);
    let time = 0;
    // Bursts of port accesses 8 to 16 µs apart, as a boot loader makes them, and pauses between.
    const exits = Array.from({ length: 3000 }, (_, i): [number, number, number] => {
      time += i % 100 === 0 ? 2e6 + Math.floor(next() * 9e6) : 8000 + Math.floor(next() * 8000);
      return [time, 2, 0];
    });
    const kernel = sequence('kernel', 10n ** 12n, exits);
    const offset = -77_000_000_123n;
    // Each tenth is preempted on its way.
    const delays = exits.map((_, i) => (i % 10 === 9 ? 4000 : 700) + 10 * (i % 20));
    const moved = exits.map(([at, reason, key], i): [number, number, number] => [
      at + delays[i],
      reason,
      key,
    ]);
    const found = alignSequences(kernel, sequence('qemu', 10n ** 12n - offset, moved))!;
    expect(found.matched).toBe(3000);
    expect(Number(found.offsetNs - offset)).toBeGreaterThan(-1000);
    expect(Number(found.offsetNs - offset)).toBeLessThan(-600);
    // The quickest takes 700 ns, of which 600 are the way from one event to the other.
    expect(Number(found.followingNs - offset)).toBe(-100);
  });

  test('of a regular guest is not sure of an offset; clocks that are one fit unshifted, others do not', () => {
    const exits = Array.from({ length: 500 }, (_, i): [number, number, number] => [i * 4_000_000, 2, 0]);
    const kernel = sequence('kernel', 10n ** 12n, exits);
    const later = exits.map(([at, reason, key]): [number, number, number] => [at + 700, reason, key]);
    const qemu = sequence('qemu', 10n ** 12n, later);
    expect(alignSequences(kernel, qemu)?.sure).not.toBe(true);
    expect(matchUnshifted(kernel, qemu)).toMatchObject({ matched: 500, total: 500 });
    // Half a period and half an hour off.
    expect(matchUnshifted(kernel, sequence('qemu', 10n ** 12n + 2_000_000n, later))).toMatchObject({
      matched: 0,
      spreadNs: 0,
    });
    expect(matchUnshifted(kernel, sequence('qemu', 2n * 10n ** 12n, later))).toBeNull();
  });

  test('says nothing where there is nothing in common', () => {
    const kernel = sequence('kernel', 0n, [[0, 2, 1]]);
    expect(alignSequences(kernel, createExitSequence('qemu'))).toBeNull();
    expect(alignSequences(kernel, sequence('qemu', 5n, [[0, 6, 0]]))).toBeNull();
  });
});
