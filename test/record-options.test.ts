/** The words of `kvmtrace record`: what is taken, what is refused and with which advice. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../src/core/errors.ts';
import { duration, type RawRecord, readRecordOptions, size } from '../src/record/record-options.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';

beforeAll(ensureBuilt);

test('without options: every VM, until it is stopped, into capture.arrow', () => {
  expect(readRecordOptions({}, [])).toEqual({
    output: 'capture.arrow',
    rawKind: 'trace.dat',
    keepRaw: false,
    durationMs: null,
    maxBytes: null,
    selection: [],
    detail: false,
    command: [],
    helper: null,
    qmp: null,
    qemuTrace: null,
    quiet: false,
  });
});

test('the selection becomes arguments of the helper', () => {
  const options = readRecordOptions(
    {
      detail: true,
      sched: true,
      event: ['kvm:kvm_ack_irq', 'irq/*'],
      pid: ['12,013', '14'],
      tid: ['15'],
      cpu: ['0-3', '8'],
      buffer: '8M',
      duration: '1.5m',
      maxSize: '2GiB',
      text: true,
    },
    ['sleep', '1'],
  );
  expect(options.selection.join(' ')).toBe(
    '--detail --sched -e kvm:kvm_ack_irq -e irq/* -p 12,13,14 -t 15 -C 0-3,8 -b 8M --text',
  );
  for (const event of ['kvm:kvm_set_*', 'irq:*', 'kvm:kvm_emulate_insn', 'kvm:kvm_[em]*'])
    expect(readRecordOptions({ event: [event] }, []).selection).toEqual(['-e', event]);
  expect(options).toMatchObject({
    durationMs: 90_000,
    maxBytes: 2 ** 31,
    rawKind: 'text',
    command: ['sleep', '1'],
  });
});

describe('refused, with the option named', () => {
  test.each([
    [{ output: '-' }, '-o -', 'Use -o'],
    [{ output: 'capture.dat' }, '-o capture.dat', '--keep-raw'],
    [{ output: '.arrow' }, '-o .arrow', '-o'],
    [{ duration: 'soon' }, '-d soon', '500ms'],
    [{ duration: '0' }, '-d 0', '500ms'],
    [{ duration: '25h' }, '-d 25h', '500ms'],
    [{ duration: '-1s' }, '-d -1s', '500ms'],
    [{ pid: ['web1'] }, '-p web1', ''],
    [{ pid: ['0'] }, '-p 0', ''],
    [{ tid: ['1,,2'] }, '-t 1,,2', ''],
    [{ cpu: ['3-1'] }, '-C 3-1', '0-3,8'],
    [{ cpu: ['a'] }, '-C a', '0-3,8'],
    [{ event: ['../../etc'] }, '-e ../../etc', 'ls /sys'],
    [{ event: ['kvm:*'] }, '-e kvm:*', '--detail'],
    [{ event: ['kvm/*'] }, '-e kvm/*', '--detail'],
    [{ event: ['*'] }, '-e *', '--detail'],
    [{ event: ['kvm_[a-z]*'] }, '-e kvm_[a-z]*', '--detail'],
    [{ event: ['k?m:kvm_*'] }, '-e k?m:kvm_*', '--detail'],
    [{ buffer: 'big' }, '-b big', ''],
    [{ buffer: '0' }, '-b 0', ''],
    [{ maxSize: '1X' }, '--max-size 1X', ''],
    [{ backend: 'ebpf' }, '--backend ebpf', ''],
    [{ backend: 'perf', text: true }, '--backend perf and --text', 'Leave one out'],
    [{ backend: 'perf', pid: ['1'], tid: ['2'] }, '--backend perf takes -p or -t', 'Leave one out'],
    [{ helper: '' }, '--helper', ''],
    [{ qmp: '' }, '--qmp', ''],
  ] as [RawRecord, string, string][])('%j', (raw, message, hint) => {
    let error: unknown;
    try {
      readRecordOptions(raw, []);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toContain(message);
    expect((error as UsageError).hint ?? '').toContain(hint);
  });
  test('on the command line: status 2, one line of advice, nothing written', async () => {
    const { status, stdout, stderr } = await kvmtrace(['record', '-d', 'soon']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      'kvmtrace: -d soon: expected a time from 1ms to 24h\n  Seconds, or with a unit: 10, 10s, 500ms, 2m.\n',
    );
  });
});

test('durations and sizes are exact', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 86_400 }), (seconds) => {
      expect(duration(`${seconds}`)).toBe(seconds * 1000);
      expect(duration(`${seconds}s`)).toBe(seconds * 1000);
      expect(duration(`${seconds}ms`)).toBe(seconds);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.constantFrom('K', 'M', 'G'), (n, unit) => {
      const bytes = n * 1024 ** ('KMG'.indexOf(unit) + 1);
      expect(size(`${n}${unit}`, '-b', 1024)).toBe(bytes);
      expect(size(`${n}${unit.toLowerCase()}iB`, '-b', 1024)).toBe(bytes);
      expect(size(`${n}`, '-b', 1024)).toBe(n * 1024);
    }),
  );
});
