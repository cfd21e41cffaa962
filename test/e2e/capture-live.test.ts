/** The capture helper on this machine's own kernel, with a real-mode ROM as the guest (see README.md). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  count,
  endLine,
  killTimes,
  type Run,
  removeRun,
  results,
  runScript,
  statusLines,
  traceCmdReport,
} from './harness.ts';

describe('kvmtrace-capture on this kernel', () => {
  let run: Run;
  beforeAll(() => {
    run = runScript('live.sh', (helper, out, times) => [out, helper, times]);
  }, 600_000);
  afterAll(() => removeRun(run));

  it("records every kvm_userspace_exit that QEMU's kvm_run_exit sees, in order", (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    expect(results(run).get('rom.rc')).toBe('0');
    const kernel = traceCmdReport(path.join(run.out, 'rom.dat'))
      .filter((l) => l.event === 'kvm_userspace_exit' && /errno=0$/.test(l.text))
      .map((l) => /reason=(?:0x)?(\w+)/.exec(l.text)?.[1]);
    const qemu = [
      ...readFileSync(path.join(run.out, 'qemu.log'), 'utf8').matchAll(/kvm_run_exit.*reason (\d+)/g),
    ].map((m) => m[1]);
    expect(kernel).toEqual(qemu);
    expect(count(qemu, String)).toEqual(
      new Map([
        ['2', 246],
        ['6', 250],
      ]),
    ); // KVM_EXIT_IO, KVM_EXIT_MMIO
  });

  it('its file opens after SIGKILL', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    expect(r.get('killed.tracing_on')).toBe('0');
    expect(Number(r.get('killed.gone_ms'))).toBeLessThan(5000); // a script's clock; the next test has a better one
    expect(traceCmdReport(path.join(run.out, 'killed.dat')).length).toBeGreaterThan(1000);
  });

  it('is gone within a second of SIGKILL on a busy machine, every time', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const times = killTimes(run, 'kills.txt');
    expect(times).toHaveLength(25);
    for (const [off, events, gone] of times) {
      for (const time of [off, events, gone]) expect(time).toBeGreaterThanOrEqual(0);
      expect(Math.max(off, events, gone)).toBeLessThan(1000);
    }
  });

  it('SIGKILL while the disk hangs: tracing is off at once, and the rest follows when the disk does', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    if (r.has('disk')) return ctx.skip(`SKIPPED: ${r.get('disk')}`);
    for (const who of ['quiet', 'busy']) {
      expect([r.get(`${who}.tracing_on`), r.get(`${who}.events`)], who).toEqual(['0', '0']);
      expect(Number(r.get(`${who}.gone_ms`)), who).toBeLessThan(5000);
    }
    // A reader that is stuck with pages in its hands keeps the instance; one without does not.
    expect(r.get('quiet.instance')).toBe('0');
    expect(traceCmdReport(path.join(run.out, 'busy.dat')).length).toBeGreaterThan(1000);
    expect(traceCmdReport(path.join(run.out, 'quiet.dat'))).toEqual([]);
  });

  it('says what to do where even root is refused', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    if (!r.has('locked.rc')) return ctx.skip('SKIPPED: no strace, or no tmpfs');
    expect(r.get('locked.rc')).toBe('2');
    const said = readFileSync(path.join(run.out, 'locked.log'), 'utf8');
    expect(said).toMatch(/no access to .*: Operation not permitted\n.*forbids it even to root/);
    expect(said).toMatch(
      /lockdown \(confidentiality\) forbids tracing\n.*boot without lockdown=confidentiality/,
    );
    expect(said).toMatch(
      /cannot write mono to .*trace_clock: Operation not permitted\n.*forbids it even to root/,
    );
  });

  it('stops tracing even when recorder and watchdog are killed at once; the rest can be cleaned up', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    expect([r.get('both.tracing_on'), r.get('both.recover_rc'), r.get('both.cleanup_rc')]).toEqual([
      '0',
      '0',
      '0',
    ]);
    expect(traceCmdReport(path.join(run.out, 'both.dat')).length).toBeGreaterThan(1000);
    expect(r.get('instances')).toBe('');
  });

  it('writes as many events as it reports, with constant memory', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    const end = endLine(run, 'growth.json');
    expect(traceCmdReport(path.join(run.out, 'growth.dat')).length).toBe(
      Number(end.events) - Number(end.left),
    );
    expect(end.lost).toBe(0);
    // Not even the names of thousands of dead threads, which the kernel may remember from other tracers, are too many. Others may
    // record beside this one.
    const warnings = statusLines(run, 'growth.json').filter((l) => l.type === 'warning');
    expect(warnings.filter(({ code }) => code !== 'other-tracer')).toEqual([]);
    // Large buffers have large pages, where the kernel can do that (6.8).
    if (r.has('pages')) expect(r.get('pages')).toBe('16384 4096');
    expect(statusLines(run, 'growth.json').filter((l) => l.type === 'status').length).toBeGreaterThanOrEqual(
      3,
    );
    expect(Number(r.get('growth.rss2_kb')) - Number(r.get('growth.rss1_kb'))).toBeLessThan(256);
  });

  it('gives readers of small buffers real-time priority, and nobody else', (ctx) => {
    if (run.skipped) return ctx.skip(run.skipped);
    const r = results(run);
    expect(r.get('class.8')).toBe('0 0 2 command 0 unlimited unlimited us');
    expect(r.get('class.1024')).toBe('0 0 0 command 0 unlimited unlimited us');
  });
});
