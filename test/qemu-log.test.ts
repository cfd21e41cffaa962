/** QEMU's log: every stamp style, against the simpletrace file of the same run, and what else is in such files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { TraceFormatError } from '../src/core/errors.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import type { ByteSource } from '../src/parsers/byte-source.ts';
import { qemuLog } from '../src/parsers/qemu-log/index.ts';
import { detectFormat, loadFormats } from '../src/parsers/registry.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { SNIFF_BYTES } from '../src/parsers/trace-format.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { load, type QemuRow, readTrace } from './support/qemu-traces.ts';

const FORMATS = await loadFormats();

const TRACE_EVENTS = load(path.join(SAMPLES, 'qemu-simpletrace/trace-events-all.gz')).toString();
const SAMPLE = load(path.join(SAMPLES, 'qemu-log/qemu.log.gz'));

const read = (text: string | Uint8Array, traceEvents?: string, maxRead?: number) =>
  readTrace(qemuLog, Buffer.from(text), { traceEvents, ...(maxRead === undefined ? {} : { maxRead }) });

/** What both back ends record of an event. */
function content({ time: _t, tid: _tid, pid: _pid, ...values }: QemuRow): string {
  return Object.values(values).join(' ');
}

const both = ['qemu', 'x86'].flatMap((group) => {
  const root = path.join(SHARED, 'corpus', group);
  return (existsSync(root) ? readdirSync(root) : []).flatMap((name) => {
    const folder = path.join(root, name);
    const log = ['qemu.log', 'qemu.log.gz']
      .map((file) => path.join(folder, file))
      .find((file) => existsSync(file));
    return log && existsSync(path.join(folder, 'trace.bin'))
      ? [[`${group}/${name}`, folder, log] as const]
      : [];
  });
});

describe.runIf(HAS_SHARED)('logs beside simpletrace files', () => {
  test('are there', () => expect(both.length).toBeGreaterThanOrEqual(15));

  test.each(both)('%s: the same events with the same arguments', (_, folder, file) => {
    const bytes = load(file);
    expect(detectFormat(bytes.subarray(0, SNIFF_BYTES), 'unknown', FORMATS).format?.id).toBe('qemu-log');
    const log = read(bytes, TRACE_EVENTS);
    const binary = readTrace(simpletrace, load(path.join(folder, 'trace.bin')), {
      traceEvents: TRACE_EVENTS,
    });
    // Numbers that are printed in decimal or as 32 bits lose what the binary record pads them with.
    const narrow = (value: bigint | null) => (value === null ? null : BigInt.asUintN(32, value));
    // The simple back end cuts strings at 512 bytes.
    const cut = (text: string | null) => text?.slice(0, 512) ?? null;
    const show = (row: QemuRow) =>
      content({
        ...row,
        arg0: narrow(row.arg0),
        arg1: narrow(row.arg1),
        info2: narrow(row.info2),
        text: cut(row.text),
      });
    expect(log.rows.map(show).sort()).toEqual(binary.rows.map(show).sort());
    const lines = bytes.toString('latin1').replaceAll('\0', '').trimEnd().split('\n');
    expect(log.rows.length + (log.diagnostics['other-log-lines'] ?? 0)).toBe(lines.length);
    const stamped = /^\d+@/.test(lines.at(-1)!);
    expect(log.context.timeIsNs).toBe(stamped);
    const nuls = bytes.toString('latin1').split('\0').length - 1;
    const { 'other-log-lines': __, ...rest } = log.diagnostics;
    expect(rest).toEqual({
      ...(nuls > 0 ? { 'log-holes': nuls } : {}),
      ...(stamped ? {} : { 'log-without-times': 1 }),
    });
    if (!stamped) return;
    for (const [i, line] of lines.filter((text) => /^\d+@/.test(text)).entries()) {
      const [, tid, seconds, micros, event] = /^(\d+)@(\d+)\.(\d{6}):(\w+)/.exec(line)!;
      expect(log.rows[i]).toMatchObject({ tid: Number(tid), time: BigInt(seconds + micros) * 1000n, event });
    }
    expect(log.context.clock).toBe('realtime');
  });

  test('a log-only build, without events file', () => {
    const file = path.join(SHARED, 'corpus/qemu/debian-logonly-file/trace.log');
    const { rows, diagnostics } = read(readFileSync(file));
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(rows.map(({ vcpu, code }) => `kvm_run_exit cpu_index ${vcpu}, reason ${code}`)).toEqual(
      lines.map((line) => line.slice(line.indexOf(':') + 1)),
    );
    expect(diagnostics).toEqual({});
  });

  test('a log that mail has wrapped and marked', () => {
    const { rows, diagnostics } = read(readFileSync(path.join(SHARED, 'public/ppc-qemu-log/log.txt')));
    expect(rows.map(({ tid, event, code, time }) => [tid, event, code, time % 1_000_000_000n])).toEqual([
      [108264, 'kvm_run_exit', 19, 242431000n],
      [108264, 'kvm_vcpu_ioctl', 0x2000ae80, 242454000n],
      [108264, 'kvm_run_exit', 19, 248110000n],
      [108281, 'kvm_set_user_memory', 1, 248710000n],
      [108264, 'kvm_vcpu_ioctl', 0x2000ae80, 249335000n],
      [108259, 'kvm_set_user_memory', 0, 253111000n],
      [108264, 'kvm_run_exit', 19, 256593000n],
    ]);
    expect(rows[3]).toMatchObject({ address: 0n, info1: 0x10000000n, arg0: 0x7fff8fe00000n, arg1: 0n });
    expect(diagnostics).toEqual({ 'continuation-lines': 4, 'other-log-lines': 2 });
  });
});

describe('stamps', () => {
  test('ISO 8601 in UTC, without thread; warnings of the same form are none of the events', () => {
    const { rows, context, diagnostics } = read(
      [
        "2025-07-25T09:59:59.999999Z qemu-system-x86_64: warning: host doesn't support requested feature",
        '2025-07-25T10:00:00.123456Z kvm_run_exit cpu_index 1, reason 6',
        '2024-02-29T23:59:59.000001Z kvm_run_exit cpu_index 0, reason 2',
        '1970-01-01T00:00:00.000000Z kvm_run_exit cpu_index 0, reason 3',
        '2025-07-25T10:00:01.000000Z vm1 qemu-system-x86_64(CPU 1/KVM): kvm_run_exit cpu_index 1, reason 5',
        '2025-13-25T10:00:01.000000Z kvm_run_exit cpu_index 1, reason 5',
        '',
      ].join('\n'),
    );
    const wanted = [
      '2025-07-25T10:00:00.123Z',
      '2024-02-29T23:59:59.000Z',
      '1970-01-01T00:00:00.000Z',
      '2025-07-25T10:00:01Z',
    ];
    expect(rows.map(({ time }) => time / 1_000_000n)).toEqual(wanted.map((text) => BigInt(Date.parse(text))));
    expect(rows.map(({ vcpu, code, tid }) => [vcpu, code, tid])).toEqual([
      [1, 6, null],
      [0, 2, null],
      [0, 3, null],
      [1, 5, null],
    ]);
    expect(rows[0].time % 1_000_000n).toBe(456_000n);
    expect(context.clock).toBe('realtime');
    expect(diagnostics).toEqual({ 'other-log-lines': 2, 'time-backwards': 2 });
  });

  test('threads whose lines swap are put in order, each in its own', () => {
    const { rows, diagnostics } = read(
      [
        '7@100.000002:kvm_run_exit cpu_index 0, reason 2',
        '8@100.000001:kvm_run_exit cpu_index 1, reason 6',
        '8@100.000003:kvm_run_exit cpu_index 1, reason 2',
        '',
      ].join('\n'),
    );
    expect(rows.map(({ tid }) => tid)).toEqual([8, 7, 8]);
    expect(diagnostics).toEqual({});
  });

  test('no stamp: counted in order, without a unit of time', () => {
    const { rows, context, diagnostics } = read(
      'char device redirected to /dev/pts/3 (label serial0)\nkvm_run_exit cpu_index 0, reason 2\nkvm_run_exit cpu_index 0, reason 6\n',
    );
    expect(rows.map(({ time, code }) => [time, code])).toEqual([
      [0n, 2],
      [1n, 6],
    ]);
    expect(context.timeIsNs).toBe(false);
    expect(diagnostics).toEqual({ 'log-without-times': 1, 'other-log-lines': 1 });
  });

  test('in a stamped log, lines without stamp are no events', () => {
    const { rows, diagnostics } = read(
      'kvm_run_exit cpu_index 9, reason 9\n5@1.000000:kvm_run_exit cpu_index 0, reason 2\n',
    );
    expect(rows.map(({ vcpu }) => vcpu)).toEqual([0]);
    expect(diagnostics).toEqual({ 'other-log-lines': 1 });
  });
});

describe('texts', () => {
  const one = (text: string, declaration?: string) => {
    const { rows, diagnostics } = read(`5@1.000000:${text}\n`, declaration);
    expect(rows.length).toBe(1);
    return { ...rows[0], diagnostics };
  };

  test('formats with macros, widths, signs, percent signs and null pointers', () => {
    const declaration =
      'ev_one(int64_t a, const char *s, uint32_t b, void *p, unsigned c) "a=%3" PRId64 " 100%% [%-8s] b=%#x p %p c=%04X"';
    const { arg0, arg1, text, diagnostics } = one(
      'ev_one a= -7 100% [x ] y] b=0x1f p (nil) c=00AB',
      declaration,
    );
    expect([arg0, arg1, text, diagnostics]).toEqual([BigInt.asUintN(64, -7n), 0x1fn, 'x ] y', {}]);
  });

  test('a format whose macros are not known leaves the name', () => {
    expect(one('ev_two 5', 'ev_two(int a) "%" UNHEARD_OF')).toMatchObject({
      event: 'ev_two',
      arg0: null,
      diagnostics: { 'events-without-arguments': 1 },
    });
  });

  test('a string that holds what follows it', () => {
    const declaration = 'qmp_exit_x(const char *result, bool succeeded) "%s %d"';
    expect(one('qmp_exit_x {"a": 1, "b": 2} 1', declaration)).toMatchObject({
      text: '{"a": 1, "b": 2}',
      arg0: 1n,
    });
    const quoted = "memory_region_ops_read cpu 0 mr 0x1 addr 0x3fa value 0xc2 size 1 name 'a'b'";
    expect(one(quoted)).toMatchObject({ text: "a'b", address: 0x3fan, arg0: 0xc2n, info1: 1n, vcpu: 0 });
    expect(one("memory_region_ops_write cpu -1 mr 0x1 addr 0x3fa value 0xc2 size 1 name ''")).toMatchObject({
      vcpu: null,
      text: null,
    });
  });

  test('a text of another form keeps its name only, and is counted', () => {
    expect(one('kvm_run_exit cpu_index 0, cause 2')).toMatchObject({
      event: 'kvm_run_exit',
      code: null,
      vcpu: null,
      diagnostics: { 'unreadable-event-text': 1 },
    });
  });

  test('an event that nothing is known of keeps its name', () => {
    expect(one('some_device_event reg 3')).toMatchObject({
      arg0: null,
      diagnostics: { 'events-without-arguments': 1 },
    });
  });
});

describe('robustness', () => {
  const small = SAMPLE.subarray(0, SAMPLE.indexOf(10, 3000) + 1);

  test.each([1, 13, 4096])('reads of %i bytes give the same', (maxRead) => {
    const whole = read(SAMPLE, TRACE_EVENTS);
    const pieces = read(SAMPLE, TRACE_EVENTS, maxRead);
    expect(pieces.rows).toEqual(whole.rows);
    expect(pieces.diagnostics).toEqual(whole.diagnostics);
  });

  test('cut at every byte: every whole line, and no half row', () => {
    const whole = read(small).rows;
    const ends = [...small.entries()].filter(([, byte]) => byte === 10).map(([at]) => at);
    for (let cut = 200; cut <= small.length; cut++) {
      const { rows } = read(small.subarray(0, cut));
      const lines = ends.filter((end) => end < cut).length;
      // The first line is a warning.
      const events = rows.length - whole.slice(0, rows.length).length;
      expect(events).toBe(0);
      expect(rows.length === lines || rows.length === lines - 1 || rows.length === lines + 1).toBe(true);
      expect(rows.slice(0, lines - 1)).toEqual(whole.slice(0, lines - 1));
    }
  });

  test('flipped bits: no crash, at most one event lost or changed each', () => {
    const whole = read(small).rows;
    for (let seed = 0; seed < 300; seed++) {
      const damaged = Buffer.from(small);
      const bit = (seed * 7919) % (small.length * 8);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const { rows } = read(damaged);
      expect(Math.abs(rows.length - whole.length)).toBeLessThanOrEqual(1);
    }
  });

  test('a hole of zero bytes before the events and between them', () => {
    const line = '5@1.000000:kvm_run_exit cpu_index 0, reason 2\n';
    const bytes = Buffer.concat([
      Buffer.alloc(500_000),
      Buffer.from(line),
      Buffer.alloc(100_000),
      Buffer.from(line),
    ]);
    expect(detectFormat(bytes.subarray(0, SNIFF_BYTES), 'x', FORMATS).format?.id).toBe('qemu-log');
    for (const maxRead of [undefined, 997]) {
      const { rows, diagnostics } = read(bytes, undefined, maxRead);
      expect(rows.length).toBe(2);
      expect(diagnostics).toEqual({ 'log-holes': 600_000 });
    }
  });

  test('only zero bytes, or only other text, is refused with a reason', () => {
    expect(() => read(Buffer.alloc(50_000))).toThrow(TraceFormatError);
    // What is left of any file whose data never reached the disk.
    expect(() => read(Buffer.alloc(200_000), undefined, 5000)).toThrow(/nothing but zero bytes/);
    expect(() => read('nothing to see here\n'.repeat(100))).toThrow(/no line of the file is a trace event/);
    expect(() => read(`${'\0'.repeat(50_000)}nothing to see here\n`)).toThrow(/no line of the file/);
  });

  test('an endless device of zero bytes is refused', () => {
    const endless: ByteSource = {
      ...{ name: '/dev/zero', size: null, seekable: false, close: () => {} },
      readAt: (_at, target, offset, length) => {
        target.fill(0, offset, offset + length);
        return length;
      },
    };
    const rows = qemuLog.parse(endless, createTraceContext(), { coreOnly: false });
    expect(() => [...rows]).toThrow(/began with \d+ zero bytes and nothing else/);
  });

  test('lines without end and names without number are bounded', () => {
    const long = `5@1.000000:kvm_run_exit cpu_index 0, reason 2\n5@1.000001:${'x'.repeat(300_000)}\n5@1.000002:kvm_run_exit cpu_index 0, reason 3\n`;
    const { rows, diagnostics } = read(long);
    expect(rows.map(({ code }) => code)).toEqual([2, 3]);
    expect(diagnostics).toEqual({ 'long-lines': 1 });
    const names = Array.from({ length: 20_000 }, (_, i) => `5@1.000000:made_up_${i} text`).join('\n');
    expect(read(`${names}\n`).context.events.names.length).toBeLessThan(4096);
  });

  test.each([
    ['kvm_run_exit 0.000 pid=9594 cpu_index=0x0 reason=0x2\n'.repeat(9), 'simpletrace.py'],
    ['Dear all,\nthe guest_vm is slow since Monday.\nRegards\n', 'no line'],
    ['kvm_exit: reason io\n'.repeat(9), 'no line'],
  ])('other text is not taken: %#', (text, reason) => {
    const verdict = qemuLog.sniff(Buffer.from(text), 'qemu.log');
    expect(verdict.confidence).toBe(0);
    expect(verdict.reason).toContain(reason);
  });
});
