/** `trace-cmd report -l` gives what the usual format gives, also of instances, of several files and of plain times. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-report-l-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Event {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  readonly flags: string;
  readonly time: number;
  readonly name: string;
  readonly text: string;
}

/** Exits and entries of two threads, 100 apart; entries are traced with preemption off. */
const EVENTS: readonly Event[] = Array.from({ length: 40 }, (_, i) => ({
  comm: i & 1 ? 'qemu-system-x86' : 'CPU 0/KVM',
  tid: i & 1 ? 1234140 : 127,
  cpu: (i >> 3) * 57,
  flags: i & 2 ? 'd..1.' : '.N...',
  time: 219_449_846_201 + 100 * i,
  name: i & 2 ? 'kvm_entry' : 'kvm_exit',
  text: i & 2 ? ' vcpu 0 rip 0x61' : 'reason EXIT_IOIO rip 0x21 info 3f80010 22',
}));

const ns = (time: number) =>
  `${String(Math.floor(time / 1e6)).padStart(6)}.${String(time % 1e6).padStart(6, '0')}`;
const plainTime = (time: number) => String(time).padStart(12);

/** trace_show_data() in tracecmd/trace-read.c. */
const usual = (event: Event, time: (t: number) => string, origin: string) =>
  `${origin}${event.comm.padStart(16)}-${String(event.tid).padEnd(5)} [${String(event.cpu).padStart(3, '0')}]${time(event.time)}: ${`${event.name}:`.padEnd(21)} ${event.text}`;
const latency = (event: Event, time: (t: number) => string, origin: string, flags = event.flags) =>
  `${origin}${event.comm.slice(0, 8).padStart(8)}-${String(event.tid).padEnd(5)} ${String(event.cpu).padStart(3)}${flags}${time(event.time)}: ${`${event.name}:`.padEnd(21)} ${event.text}`;

async function report(lines: readonly string[]) {
  const file = path.join(folder, 'report.txt');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { capture, quality, reasons, vcpus } = await runReport([file], defaultReportOptions());
  const { warnings, ...counts } = quality;
  return {
    same: { events: capture.events, firstNs: capture.firstNs, counts, reasons },
    codes: warnings.map(({ code }) => code),
    messages: warnings.map(({ message }) => message).join('\n'),
    comms: vcpus.map(({ comm }) => comm),
  };
}

const origins: readonly (readonly [string, (i: number) => string])[] = [
  ['of one buffer', () => ''],
  ['of an instance', () => 'foo: '],
  ['of the top buffer and an instance', (i) => (i < 20 ? '     ' : 'two: ')],
  ['of two files', (i) => (i < 20 ? 'clk-local.dat: ' : '       v7.dat: ')],
];

describe.each(origins)('%s', (_, origin) => {
  test.each([
    ['seconds', ns],
    ['plain numbers', plainTime],
    // A counter's few digits are padded.
    ['a counter', (time: number) => plainTime(time - 219_449_846_000)],
  ])('%s', async (__, time) => {
    const header = ['cpus=2'];
    const wanted = await report([...header, ...EVENTS.map((event, i) => usual(event, time, origin(i)))]);
    expect(wanted.same.counts.exits).toBe(20);
    const told = await report([...header, ...EVENTS.map((event, i) => latency(event, time, origin(i)))]);
    expect(told.same).toEqual(wanted.same);
    expect(told.codes).toEqual(wanted.codes);
    expect(told.messages).toBe(wanted.messages);
    expect(told.comms.sort()).toEqual(['CPU 0/KV', 'qemu-sys']);
  });
});

test('of two files each has its header, and none of cpus= is needed', async () => {
  const lines = EVENTS.map((event, i) => latency(event, ns, i & 1 ? 'a.dat: ' : 'b c.dat: '));
  const { same, codes } = await report(['  a.dat: cpus=2', 'b c.dat: cpus=16', ...lines]);
  expect(codes).toEqual(['events-in-several-buffers']);
  expect((await report(lines)).same).toEqual(same);
});

test('4 flags (up to 5.10) before a time without a blank; flags that could be the time’s are not guessed', async () => {
  const four = await report([
    'cpus=2',
    ...EVENTS.map((event) => latency(event, plainTime, '', `${event.flags.slice(0, 3)}.`)),
  ]);
  expect(four.same.counts.exits).toBe(20);
  expect(four.same.firstNs).toBe((await report(EVENTS.map((e) => usual(e, plainTime, '')))).same.firstNs);
  const doubtful = await report([
    'cpus=2',
    ...EVENTS.map((event) => latency(event, plainTime, '', event.name === 'kvm_entry' ? 'd..1' : '....')),
  ]);
  expect(doubtful.same.events).toEqual({ kvm_exit: 20 });
  expect(doubtful.codes).toContain('unreadable-lines');
});
