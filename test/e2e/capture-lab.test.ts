/** The capture helper inside an emulated KVM host with nested guests: beside the reference recorders, then killed. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  count,
  endLine,
  killTimes,
  type ReportLine,
  type Run,
  removeRun,
  repoRoot,
  results,
  runScript,
  statusLines,
  traceCmdReport,
} from './harness.ts';

/** Emulation on a shared machine stretches a second now and then; on a real kernel capture-live has no excuse. */
const GONE_MS = 5000;
const rom = path.join(repoRoot, 'test/e2e/rom/kvmrom-busy.bin');
const text = (l: ReportLine) => `${l.tid} ${l.event} ${l.text}`;
const byCpu = (lines: ReportLine[], cpu: number) =>
  lines.filter((l) => l.cpu === cpu && l.event.startsWith('kvm_'));

describe('kvmtrace-capture in a KVM host', () => {
  let run: Run;
  let r: Map<string, string>;
  const file = (name: string) => path.join(run.out, name);
  beforeAll(() => {
    run = runScript('run-lab.sh', (helper, out, times) => ['capture', out, helper, rom, times], {
      SMP: '2,maxcpus=4',
    });
    if (run.skipped === null) r = results(run);
  }, 600_000);
  afterAll(() => removeRun(run));

  it('records the same events as trace-cmd, per CPU and in order', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const us = traceCmdReport(file('us.dat'));
    const tc = traceCmdReport(file('tc.dat'));
    expect(us.length).toBeGreaterThan(5000);
    for (const cpu of [0, 1]) expect(byCpu(us, cpu).map(text)).toEqual(byCpu(tc, cpu).map(text));
    expect(us.some((l) => l.comm === 'CPU 1/KVM')).toBe(true);
    const end = endLine(run, 'us.json');
    expect([end.reason, end.lost, end.packed, end.events]).toEqual(['signal', 0, true, us.length]);
  });

  it('records the same counts as text and through perf', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const want = count(traceCmdReport(file('us.dat')), (l) => l.event);
    const lines = readFileSync(file('us.txt'), 'utf8').split('\n');
    expect(
      count(
        lines.flatMap((l) => /: (kvm_\w+): /.exec(l)?.[1] ?? []),
        String,
      ),
    ).toEqual(want);
    const perf = spawnSync('perf', ['script', '-f', '-i', file('perf.data'), '-F', 'event'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (perf.error) return; // perf is not needed for anything else here
    expect(
      count(
        [...perf.stdout.matchAll(/kvm:(kvm_\w+):/g)].map((m) => m[1] ?? ''),
        String,
      ),
    ).toEqual(want);
  });

  it('names the VM, its vCPU threads and thread groups in the file', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const dump = spawnSync('trace-cmd', ['dump', '--options', file('us.dat')], {
      encoding: 'latin1',
      maxBuffer: 1 << 26,
    });
    const json = dump.stdout.split('\n').filter((l) => l.startsWith('{"kvmtrace":'));
    expect(json).toHaveLength(2); // as of the start, and as of the end
    const facts = JSON.parse(json[1] ?? '').kvmtrace;
    const tids = readFileSync(file('ps.txt'), 'utf8')
      .split('\n')
      .flatMap((l) => {
        const m = /^\s*(\d+)\s+(\d+) CPU (\d)\/KVM/.exec(l);
        return m ? [{ pid: Number(m[1]), tid: Number(m[2]), vcpu: Number(m[3]) }] : [];
      });
    expect(tids).toHaveLength(2);
    const pid = tids[0]?.pid ?? 0;
    expect(facts.vms).toEqual([{ pid, name: 'life', vcpus: tids.map((t) => [t.vcpu, t.tid]) }]);
    expect(facts.threads[String(pid)]).toEqual(expect.arrayContaining(tids.map((t) => t.tid)));
    expect(facts).toMatchObject({
      phase: 'end',
      end: 'signal',
      clock: 'mono',
      machine: 'x86_64',
      stats: { lost: 0, left: 0 },
    });
    expect(dump.stdout).toContain('life [Guest name]');
  });

  it('SIGKILL: tracing is off at once, the instance gone; the file holds a gapless piece of what trace-cmd recorded', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect(r.get('parent.tracing_on')).toBe('0');
    expect(r.get('parent.still_enabled')).toBe('0');
    const times = killTimes(run, 'kills.txt').map(([off, events, gone]) => Math.max(off, events, gone));
    expect(times).toHaveLength(3);
    expect(Math.min(...times)).toBeLessThan(1000);
    expect(Math.max(...times, Number(r.get('parent.gone_ms')))).toBeLessThan(GONE_MS);
    const us = traceCmdReport(file('k-parent.dat'));
    const tc = traceCmdReport(file('k-parent-tc.dat'));
    for (const cpu of [0, 1]) {
      // trace-cmd began before and went on after: all of ours must be one piece of what it has, without a gap
      const ours = byCpu(us, cpu).map(text);
      expect(ours.length).toBeGreaterThan(100);
      expect(contains(byCpu(tc, cpu).map(text), ours), `CPU ${cpu}: ${ours.length} events`).toBe(true);
    }
  });

  it('SIGKILL of the watchdog: another takes its place, nothing is missing', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect(r.get('watchdog.rc')).toBe('0');
    expect(Number(r.get('watchdog.gone_ms'))).toBeLessThan(GONE_MS);
    const end = endLine(run, 'k-watchdog.json');
    expect(statusLines(run, 'k-watchdog.json').some((l) => l.code === 'watchdog')).toBe(true);
    expect(end.reason).toBe('duration');
    expect(traceCmdReport(file('k-watchdog.dat')).length).toBe(end.events);
  });

  it('SIGKILL of both: tracing stops by itself; --recover and --cleanup do the rest', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect([r.get('both.tracing_on'), r.get('both.recover_rc'), r.get('both.cleanup_rc')]).toEqual([
      '0',
      '0',
      '0',
    ]);
    expect(r.get('both.still_enabled')).toBe('0');
    const after = traceCmdReport(file('k-both.dat')).length;
    expect(Number(r.get('both.events_before'))).toBeGreaterThan(1000); // the file opens even before --recover
    expect(after).toBeGreaterThanOrEqual(Number(r.get('both.events_before')));
  });

  it('adds no stack traces to its events where the host has them on', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect(results(run).get('stack.rc')).toBe('0');
    const events = [...count(traceCmdReport(file('stack.dat')), (l) => l.event).keys()].sort();
    expect(events).toEqual(['kvm_entry', 'kvm_exit', 'kvm_userspace_exit']);
  });

  it('killed for its memory: the watchdog is spared and cleans up', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    if (!r.has('oom.rc')) return ctx.skip('SKIPPED: no memory cgroup in the lab');
    expect(r.get('oom.rc')).toBe('137');
    expect(Number(r.get('oom.kills'))).toBeGreaterThan(0);
    expect([r.get('oom.tracing_on'), r.get('oom.still_enabled')]).toEqual(['0', '0']);
    expect(Number(r.get('oom.gone_ms'))).toBeLessThan(GONE_MS);
    expect(traceCmdReport(file('k-oom.dat')).length).toBeGreaterThan(100);
  });

  it('records while CPUs go and come, and where possible CPUs were never there', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect([r.get('cpus.possible'), r.get('cpus.online'), r.get('hotplug.off')]).toEqual(['0-3', '0-1', '0']);
    const end = endLine(run, 'hotplug.json');
    const us = traceCmdReport(file('hotplug.dat'));
    expect([r.get('hotplug.rc'), end.lost, us.length]).toEqual(['0', 0, end.events]);
    for (const cpu of [0, 1]) expect(byCpu(us, cpu).length).toBeGreaterThan(500);
    // A CPU without a buffer must not wake the reader: two seconds of a 4 MB buffer need a handful of looks.
    expect(Number(r.get('hotplug.switches'))).toBeLessThan(2000);
    const offline = endLine(run, 'offline.json');
    expect([r.get('offline.rc'), offline.lost]).toEqual(['0', 0]);
    expect(traceCmdReport(file('offline.dat')).length).toBe(offline.events);
  });

  it('full disk: ends, says so, and the file holds what fitted', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const end = endLine(run, 'full.json');
    expect(r.get('full.rc')).toBe('1');
    expect(end.reason).toMatch(/^disk-(full|low)$/); // whichever is noticed first
    expect(Number(r.get('full.gone_ms'))).toBeLessThan(GONE_MS);
    const events = traceCmdReport(file('full.dat')).length;
    expect(events).toBeGreaterThan(1000);
    expect(events).toBeLessThanOrEqual(Number(end.events) - Number(end.left));
  });

  it('size limit, closed pipes and a closed terminal end it in order', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const size = endLine(run, 'size.json');
    expect([r.get('size.rc'), size.reason]).toEqual(['0', 'size']);
    expect(Number(size.bytes)).toBeLessThanOrEqual(256 << 10);
    expect(Number(r.get('size.bytes'))).toBeLessThan(1 << 20);
    expect(traceCmdReport(file('size.dat')).length).toBe(Number(size.events) - Number(size.left));
    expect([r.get('none.rc'), r.get('none.file')]).toEqual(['2', '']);
    expect([r.get('head.rc'), r.get('head.instances')]).toEqual(['0', '']);
    expect(readFileSync(file('text-head.txt'), 'utf8').trim().split('\n')).toHaveLength(3);
    expect([r.get('closed.rc'), r.get('hup.rc')]).toEqual(['0', '0']);
    expect(traceCmdReport(file('closed.dat')).length).toBeGreaterThan(100);
    expect(traceCmdReport(file('hup.dat')).length).toBe(endLine(run, 'hup.json').events);
    for (const k of ['closed', 'hup']) expect(Number(r.get(`${k}.gone_ms`)), k).toBeLessThan(GONE_MS);
  });

  it('filters by process, thread and CPU', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const vcpuOf = (pid: string) => Number(r.get(`vcpu.${pid}`));
    const pid = new Set(traceCmdReport(file('pid.dat')).map((l) => l.tid));
    expect([...pid]).toEqual([vcpuOf('1')]);
    const tid = new Set(traceCmdReport(file('tid.dat')).map((l) => l.tid));
    expect([...tid]).toEqual([Number(r.get('tid.want'))]);
    const cpu = new Set(traceCmdReport(file('cpu.dat')).map((l) => l.cpu));
    expect([...cpu]).toEqual([1]);
  });

  it('refuses links, existing files, unknown events and processes, and leaves nothing behind', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    for (const k of ['symlink', 'exists', 'event', 'nopid']) expect(r.get(`${k}.rc`), k).toBe('2');
    expect([
      r.get('symlink.victim'),
      r.get('refused.instances'),
      r.get('refused.files'),
      r.get('side.instances'),
    ]).toEqual(['', '', '', '']);
    expect(statSync(file('us.dat')).mode & 0o777).toBe(0o600);
    expect(readFileSync(file('refuse.log'), 'utf8')).toMatch(/File exists[\s\S]*choose another name/);
  });
});

/** Whether piece is a contiguous part of all. */
function contains(all: readonly string[], piece: readonly string[]): boolean {
  for (let start = 0; start + piece.length <= all.length; start++) {
    let n = 0;
    while (n < piece.length && all[start + n] === piece[n]) n++;
    if (n === piece.length) return true;
  }
  return false;
}
