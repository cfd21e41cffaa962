/** Views against counting of our own from perf's text, and their layouts against the tools' sample tables. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions, type RawReportOptions } from '../src/commands/report-options.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import {
  pairScript,
  readScript,
  readTraceText,
  type ScriptEvent,
  type ScriptExit,
} from './support/perf-script.ts';

const script = (capture: string) => readScript(join(dirname(capture), 'script-ns.txt.gz'));

/** A capture of each vendor and an independent reading of the same events. */
const CAPTURES: readonly (readonly [string, string, (capture: string) => ScriptEvent[]])[] = [
  ['a Linux guest on Intel', 'intel/linux-pf/perf.data', script],
  ['many exit reasons on Intel', 'intel/pf-all/perf.data', script],
  ['a Linux guest on AMD', 'x86/pf-all/perf.data', script],
  ['a Linux guest on AMD, Linux 6.12', 'x86/k612-pf-all/perf.data', script],
  ['two guests on arm64', 'arm64/61v3-trace-tgid-2vm/trace.txt.gz', readTraceText],
];
const IDLE = ['HLT', 'hlt', 'WFx'];

const linux = join(SHARED, 'corpus/intel/linux-pf/perf.data');
const nested = join(SHARED, 'corpus/x86/nested-pf/perf.data.gz');

async function view(path: string, name: string, raw: RawReportOptions = {}): Promise<string[]> {
  const model = await runReport([path], await parseReportOptions({ ...raw, view: name }));
  return model.view!.text.split('\n');
}

const cells = (line: string) => line.trim().split(/\s{2,}|\s(?=\S+$)/);

function group<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

const latencies = (exits: readonly ScriptExit[]) => exits.flatMap(({ latency }) => latency ?? []);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

describe.skipIf(!HAS_SHARED).each(CAPTURES)('views of %s', (_, path, read) => {
  const capture = join(SHARED, 'corpus', path);
  const events = HAS_SHARED ? read(capture) : [];
  const exits = pairScript(events);
  const counts = group(events, ({ name }) => name);
  const byReason = group(exits, ({ reason }) => reason);
  const byThread = group(exits, ({ exit, reason }) => `${exit.pid} ${exit.tid} ${reason}`);
  const [pid, tid] = HAS_SHARED ? [exits[0].exit.pid, exits[0].exit.tid] : [0, 0];

  test('kvmexit: all threads', async () => {
    const [, title, ...rows] = await view(capture, 'kvmexit');
    expect(title).toBe('PID      TID      KVM_EXIT_REASON                     COUNT');
    expect(
      rows
        .filter(Boolean)
        .map((row) => row.split(/\s+/).join(' '))
        .sort(),
    ).toEqual([...byThread].map(([key, list]) => `${key} ${list.length}`).sort());
  });
  test('kvmexit -p: collapsed, most frequent first', async () => {
    const [head, title, ...rows] = await view(capture, 'kvmexit', { pid: [String(pid)] });
    expect(head).toMatch(new RegExp(`^Display kvm exit reasons and statistics for PID ${pid},`));
    expect(title).toBe('KVM_EXIT_REASON                     COUNT');
    const counts = rows.filter(Boolean).map((row) => Number(row.slice(36)));
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    expect(
      rows
        .filter(Boolean)
        .map((row) => [row.slice(0, 35).trim(), Number(row.slice(36))])
        .sort(),
    ).toEqual(
      [
        ...group(
          exits.filter(({ exit }) => exit.pid === pid),
          ({ reason }) => reason,
        ),
      ]
        .map(([reason, list]) => [reason, list.length])
        .sort(),
    );
  });
  test('kvmexit -p -a, -t, -T', async () => {
    const perThread = await view(capture, 'kvmexit', { pid: [String(pid)], by: ['tid'] });
    expect(perThread[0]).toContain(`PID ${pid} and its all threads`);
    expect(perThread[1]).toBe('TID      KVM_EXIT_REASON                     COUNT');
    const one = await view(capture, 'kvmexit', { tid: [String(tid)] });
    expect(one[0]).toContain(`for TID ${tid},`);
    expect(one[1]).toBe('KVM_EXIT_REASON                     COUNT');
    const tids = [...new Set(exits.map(({ exit }) => exit.tid))].slice(0, 2);
    if (tids.length === 2) {
      const two = await view(capture, 'kvmexit', { tid: [tids.join(',')] });
      expect(two[0]).toContain(`TIDS ['${tids[0]}', '${tids[1]}']`);
      expect(two[1]).toBe('TIDS     KVM_EXIT_REASON                     COUNT');
    }
  });
  test('kvmexitaarch64: counts, and the mean over pairs', async () => {
    const [title, ...rows] = await view(capture, 'kvmexitaarch64');
    expect(title).toBe('TGID     TID      COMM             KVM_EXIT_REASON  COUNT    AVG_TIME');
    const found = rows.filter(Boolean).map((row) => {
      const [, tgid, thread, rest] = /^(\S+) +(\S+) +(.*)$/.exec(row)!;
      const [reason, count, average] = rest.trim().split(/\s+/).slice(-3);
      // The tool's spelling of arm64's classes.
      return `${tgid} ${thread} ${reason.replace(/^EC_/, '')} ${count} ${average}`;
    });
    expect(found.sort()).toEqual(
      [...byThread]
        .map(([key, list]) => {
          const times = latencies(list);
          return `${key} ${list.length} ${times.length ? (total(times) / times.length).toFixed(1) : '-'}`;
        })
        .sort(),
    );
  });
  test('kvm-bpf-count, -time and -hist', async () => {
    const counted = (await view(capture, 'kvm-bpf-count')).filter(
      (line) => /[\d-]$/.test(line) && /^ *(\d|- |Total)/.test(line),
    );
    expect(counted.at(-1)!.trim().split(/\s+/)).toEqual([
      'Total',
      String(exits.length),
      String(exits.length),
      // perf records what was switched on; text does not tell.
      /^(intel|x86)/.test(path) && counts.has('kvm_cpuid') ? '0' : '-',
    ]);
    for (const line of counted.slice(0, -1)) {
      const [, , reason, all] = /^ *(\d+|-) (\S+) +(\d+)/.exec(line)!;
      expect([reason, Number(all)]).toEqual([reason, byReason.get(reason)!.length]);
    }
    const timed = (await view(capture, 'kvm-bpf-time')).filter((line) => /^ *(\d+|-) \S/.test(line));
    expect(timed.length).toBe(byReason.size);
    for (const line of timed) {
      const [, reason, calls, average] = /^ *(?:\d+|-) (\S+) +(\d+) \( *(\d+)\)/.exec(line)!;
      const times = latencies(byReason.get(reason)!);
      expect([reason, Number(calls), Number(average)]).toEqual([
        reason,
        times.length,
        times.length ? Math.floor(total(times) / times.length) : 0,
      ]);
    }
    const buckets = new Map<number, number>();
    for (const ns of latencies(exits)) {
      const low = ns < 2 ? 0 : 2 ** Math.floor(Math.log2(ns));
      buckets.set(low, (buckets.get(low) ?? 0) + 1);
    }
    const largest = Math.max(...buckets.values());
    const [title, ...rows] = (await view(capture, 'kvm-bpf-hist')).filter(Boolean);
    expect(title).toBe('     value               : count     distribution');
    for (const row of rows) {
      const [, low, high, count, stars] = /^ *(\d+) -> (\d+) +: (\d+) +\|(\**) *\|$/.exec(row)!;
      expect(Number(high)).toBe(low === '0' ? 1 : 2 * Number(low) - 1);
      expect(Number(count)).toBe(buckets.get(Number(low)) ?? 0);
      expect(stars.length).toBe(Math.floor((40 * Number(count)) / largest));
    }
    expect(total(rows.map((row) => Number(/: (\d+)/.exec(row)![1])))).toBe(latencies(exits).length);
  });
  test('kvm-bpf-slower', async () => {
    const rows = (await view(capture, 'kvm-bpf-slower', { than: '100us', exclude: ['HLT,hlt,WFx'] })).filter(
      Boolean,
    );
    const wanted = exits.filter(({ reason, latency }) => !IDLE.includes(reason) && (latency ?? 0) > 100_000);
    expect(rows.map((row) => row.replace(/^ *(\d+|-) /, '').replace(/\s+/g, ' '))).toEqual(
      wanted.map(({ reason, latency }) => `${reason} ${latency} (L1)`),
    );
  });
  test('perf-prof: the whole recording, per thread, per interval', async () => {
    const us = (ns: number) => (ns / 1000).toFixed(3);
    const lineOf = ([reason, list]: [string, ScriptExit[]]) => {
      const times = latencies(list).sort((a, b) => a - b);
      const sum = total(times);
      const kernel = total(
        list.filter(({ exit }) => /(?:rip|PC:) 0xffff/.test(exit.text)).map(({ latency }) => latency ?? 0),
      );
      return [
        reason,
        times.length,
        us(sum),
        us(times[0]),
        us(Math.floor(sum / times.length)),
        us(times[Math.ceil(0.99 * times.length) - 1]),
        us(times.at(-1)!),
        ((kernel * 100) / sum).toFixed(2),
      ].join(' ');
    };
    const paired = [...byReason].filter(([, list]) => latencies(list).length > 0);
    const [head, title, dashes, ...rows] = await view(capture, 'perf-prof');
    expect(head).toMatch(/^\d+\.\d{9} kvm-exit latency$/);
    expect(title.split(/\s+/)).toEqual(
      'exit_reason calls total(us) min(us) avg(us) p99(us) max(us) %gsys'.split(' '),
    );
    expect(dashes).toMatch(/^(?:-{20}|-{32}) -{8} -{16} -{12} -{12} -{12} -{12} -{6}$/);
    const totals = rows.filter(Boolean).map((row) => Number(row.split(/\s+/)[2]));
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    expect(
      rows
        .filter(Boolean)
        .map((row) => row.split(/\s+/).join(' '))
        .sort(),
    ).toEqual(paired.map(lineOf).sort());

    const perThread = (await view(capture, 'perf-prof', { by: ['tid'] })).filter((row) =>
      row.startsWith('[ '),
    );
    expect(perThread.length).toBe(
      new Set(exits.filter((e) => e.latency !== null).map((e) => `${e.exit.tid} ${e.reason}`)).size,
    );

    const intervals = await view(capture, 'perf-prof', { interval: '100ms' });
    const calls = intervals
      .filter((row) => /^[A-Za-z]\S+ +\d/.test(row))
      .map((row) => Number(row.split(/\s+/)[1]));
    expect(total(calls)).toBe(latencies(exits).length);
    expect(intervals.filter((row) => row.endsWith('kvm-exit latency')).length).toBeGreaterThan(1);
  });
  test('perf-stat and kvm_stat count events', async () => {
    const ofKvm = events.filter(({ name }) => !name.startsWith('sched_'));
    const counts = group(ofKvm, ({ name }) => name);
    const shown = new Map(
      (await view(capture, 'perf-stat'))
        .filter((line) => line.includes('kvm:'))
        .map((line) => [line.replace(/.*kvm:/, ''), Number(line.trim().split(/\s/)[0].replaceAll(',', ''))]),
    );
    for (const [name, list] of counts) expect([name, shown.get(name)]).toEqual([name, list.length]);
    expect(total([...shown.values()])).toBe(ofKvm.length);
    const rows = (await view(capture, 'kvm_stat')).slice(2);
    expect(rows[0]).toBe(' Event                                         Total %Total CurAvg/s');
    const table = new Map(
      rows
        .slice(1)
        .filter(Boolean)
        .map((row) => [cells(row)[0].split(/\s/)[0], row.slice(41, 52).trim()]),
    );
    for (const [name, list] of counts) expect(table.get(name)).toBe(String(list.length));
    for (const [reason, list] of byReason) expect(table.get(`kvm_exit(${reason})`)).toBe(String(list.length));
    expect(table.get('Total')).toBe(String(ofKvm.length));
    const userspace = group(
      counts.get('kvm_userspace_exit') ?? [],
      ({ text }) => /KVM_EXIT_(\w+)/.exec(text)![1],
    );
    // What perf script prints of a failed KVM_RUN (INTR) is a restart.
    for (const [reason, list] of userspace)
      expect(table.get(`kvm_userspace_exit(${reason === 'INTR' ? 'restart' : reason})`)).toBe(
        String(list.length),
      );
    const children = [...table].filter(([name]) => name.startsWith('kvm_userspace_exit('));
    expect(children.length).toBe(userspace.size);
  });
});

test.skipIf(!HAS_SHARED)('kvm-bpf-count tells L1 from L2', async () => {
  const exits = pairScript(script(nested));
  const l2 = exits.filter(({ between }) => between.some(({ name }) => name === 'kvm_nested_vmexit')).length;
  const last = (await view(nested, 'kvm-bpf-count')).filter((line) => /^ +Total +\d/.test(line));
  expect(last[0].trim().split(/\s+/)).toEqual(['Total', exits.length, exits.length - l2, l2].map(String));
});

test.skipIf(!HAS_SHARED)('exits of arm64 that are no trap have no number', async () => {
  const arm = join(SHARED, 'corpus/arm64/61v3-dat-all/trace.dat');
  for (const name of ['kvm-bpf-count', 'kvm-bpf-time', 'kvm-bpf-slower'])
    expect((await view(arm, name)).filter((line) => / IRQ /.test(line))[0]).toMatch(/^ *- IRQ /);
});

describe('layouts', () => {
  const reference = (file: string) => readFileSync(join(SHARED, 'reference', file), 'utf8');
  test.skipIf(!HAS_SHARED)('title lines stand in the reference as they are printed', async () => {
    const has = async (file: string, name: string, line: (lines: string[]) => string | undefined) =>
      expect(reference(file)).toContain(line(await view(linux, name))!);
    await has('kvmexit.txt', 'kvmexit', (lines) => lines[1]);
    await has('kvmexitaarch64.txt', 'kvmexitaarch64', (lines) => lines[0]);
    await has('kvm-bpf-tools.md', 'kvm-bpf-count', (lines) => lines[0]);
    await has('kvm-bpf-tools.md', 'kvm-bpf-time', (lines) => lines[0]);
    await has('kvm-bpf-tools.md', 'kvm-bpf-hist', (lines) => lines[0]);
  });
  test('an unknown view is refused with the known ones', async () => {
    await expect(parseReportOptions({ view: 'perf' })).rejects.toMatchObject({
      message: expect.stringContaining('--view'),
      hint: expect.stringContaining('perf-kvm'),
    });
  });
});
