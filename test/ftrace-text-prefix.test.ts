/** Line prefixes, losses, order, headers and sniffing of tracefs text. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { HOLD } from '../src/parsers/text/reorder.ts';
import { readText } from './support/ftrace-text.ts';

interface Line {
  comm: Uint8Array;
  tid: number;
  /** undefined: no column; −1: (-------). */
  tgid: number | undefined;
  tgidLast: boolean;
  cpu: number;
  flags: string;
  seconds: number;
  micros: number;
  pidWidth: number;
}

/** As trace_print_context() prints it (kernel/trace/trace_output.c; 4.15 for tgidLast). */
function printLine(line: Line, event: string): Buffer {
  const tgid =
    line.tgid === undefined ? '' : `(${line.tgid < 0 ? '-------' : String(line.tgid).padStart(7)}) `;
  const cpu = `[${String(line.cpu).padStart(3, '0')}] `;
  const time = `${String(line.seconds).padStart(5)}.${String(line.micros).padStart(6, '0')}`;
  const flags = line.flags === '' ? '' : `${line.flags} `;
  return Buffer.concat([
    Buffer.from(' '.repeat(16 - line.comm.length)),
    line.comm,
    Buffer.from(
      `-${String(line.tid).padEnd(line.pidWidth)} ${line.tgidLast ? cpu + tgid : tgid + cpu}${flags} ${time}: ${event}\n`,
    ),
  ]);
}

const commBytes = fc.oneof(
  fc
    .uint8Array({ min: 1, max: 255, maxLength: 15 })
    .map((bytes) => bytes.filter((b) => b !== 10 && b !== 13)),
  fc
    .constantFrom(
      '',
      'CPU 0/KVM',
      'a (  77) [9] 1',
      'a: b-12 [001] x',
      'x-1',
      'x-7 [003] d..1:',
      '#x',
      'CPU:1 [LOST',
      '\ta',
    )
    .map((name) => Buffer.from(name)),
);

const anyLine: fc.Arbitrary<Line> = fc.record({
  comm: commBytes,
  tid: fc.oneof(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 4_194_304 })),
  tgid: fc.option(fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 4_194_304 })), { nil: undefined }),
  tgidLast: fc.boolean(),
  cpu: fc.oneof(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 5000 })),
  flags: fc.constantFrom('', '....', 'd..1', '.....', 'dNh2.', 'd..1.', 'bLZa1', 'd.h10.', 'Dp.1.'),
  seconds: fc.oneof(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 0, max: 8_000_000_000 })),
  micros: fc.integer({ min: 0, max: 999_999 }),
  pidWidth: fc.constantFrom(5, 7),
});

describe('prefix', () => {
  test('any thread name, number, CPU, flags, TGID column and time come back as printed', () => {
    fc.assert(
      fc.property(anyLine, fc.boolean(), (line, crlf) => {
        let bytes = printLine(line, 'kvm_entry: vcpu 3, rip 0xffffffff81000000');
        if (crlf) bytes = Buffer.from(bytes.toString('latin1').replace('\n', '\r\n'), 'latin1');
        // The second copy meets the thread's remembered name.
        const { rows, context, diagnostics } = readText(Buffer.concat([bytes, bytes]));
        expect(diagnostics).toEqual({});
        expect(rows.length).toBe(2);
        expect(rows[1]).toEqual(rows[0]);
        expect(rows[0]).toMatchObject({
          time: BigInt(line.seconds) * 1_000_000_000n + BigInt(line.micros) * 1000n,
          cpu: line.cpu,
          tid: line.tid,
          pid: line.tgid === undefined || line.tgid < 0 ? null : line.tgid,
          vcpu: 3,
          address: 0xffffffff81000000n,
        });
        const thread = context.threads.byTid.get(line.tid)!;
        const name = new TextDecoder().decode(line.comm).replace(/^ +/, '');
        expect(thread.comm).toBe(name);
        expect(thread.pid).toBe(line.tgid ?? -1);
      }),
      { numRuns: 1500, seed: 42 },
    );
  });

  test('names that are only "<...>" stay unknown, a later name counts', () => {
    const at = (comm: string, micros: number) =>
      `${comm.padStart(16)}-135     [000] d..1.    16.00000${micros}: kvm_fpu: load\n`;
    expect(readText(at('<...>', 1)).context.threads.byTid.get(135)?.comm).toBe(null);
    const { context } = readText(at('<...>', 1) + at('CPU 0/KVM', 2) + at('<...>', 3));
    expect(context.threads.byTid.get(135)?.comm).toBe('CPU 0/KVM');
    expect(readText(at('old', 1) + at('new', 2)).context.threads.byTid.get(135)?.comm).toBe('new');
  });

  test('lines without padding are read from the first dash that fits', () => {
    const { rows, context } = readText(
      'qemu-5791    [023] d.... 3602162.971191: kvm_fpu: load\n kvm-vcpu-0-88776   [001] ...1.  6076.581774: kvm_fpu: load\n',
    );
    expect(rows.map(({ tid, cpu }) => [tid, cpu])).toEqual([
      [88776, 1],
      [5791, 23],
    ]);
    expect(context.threads.byTid.get(88776)?.comm).toBe('kvm-vcpu-0');
  });

  test('negative thread numbers are unknown', () => {
    expect(readText('           <XXX>--1      [000] .....     1.000001: kvm_fpu: load\n').rows[0].tid).toBe(
      -1,
    );
  });

  test('plain numbers keep all 64 bits and have no unit', () => {
    const line = (time: string) => `       CPU 0/KVM-7819    [000] ..... ${time}: kvm_fpu: load\n`;
    const { rows, context } = readText(line('9806431382241') + line('9223372036854775807'));
    expect(rows.map((row) => row.time)).toEqual([9806431382241n, 9223372036854775807n]);
    expect(context.timeIsNs).toBe(false);
  });

  test('the clock uptime, where a comment names it, counts 1/100 s', () => {
    const { rows, context } = readText(
      '# clock: local [uptime] mono\n       CPU 0/KVM-7819    [000] .....       377716: kvm_fpu: load\n',
    );
    expect(rows[0].time).toBe(3_777_160_000_000n);
    expect(context).toMatchObject({ clock: 'uptime', timeIsNs: true, timeResolutionNs: 10_000_000 });
  });

  test('times of another form than the first are left out and counted once each', () => {
    const { rows, diagnostics } = readText(
      '       CPU 0/KVM-7819    [000] .....     1.000001: kvm_entry: vcpu 0, rip 0x1\n       CPU 0/KVM-7819    [000] .....       377716: kvm_entry: vcpu 0, rip 0x1\n',
    );
    expect(rows.length).toBe(1);
    expect(diagnostics).toEqual({ 'odd-times': 1 });
  });
});

const line = (cpu: number, micros: number, text = 'kvm_fpu: load', tid = 100 + cpu) =>
  `             vmm-${String(tid).padEnd(7)} [00${cpu}] .....     1.${String(micros).padStart(6, '0')}: ${text}\n`;

describe('losses', () => {
  test('stand right before the next event of their CPU, with its time', () => {
    const { rows } = readText(
      `CPU:1 [LOST 903 EVENTS]\n${line(0, 10)}${line(1, 20)}CPU:0 [LOST EVENTS]\n${line(1, 30)}${line(0, 40)}`,
    );
    expect(
      rows.map(({ event, cpu, time, arg0 }) => [event, cpu, Number(time % 1000000n) / 1000, arg0]),
    ).toEqual([
      ['kvm_fpu', 0, 10, null],
      ['(lost)', 1, 20, 903n],
      ['kvm_fpu', 1, 20, null],
      ['kvm_fpu', 1, 30, null],
      ['(lost)', 0, 40, null],
      ['kvm_fpu', 0, 40, null],
    ]);
  });

  test('of a CPU without another event come last', () => {
    const { rows } = readText(`${line(0, 10)}CPU:3 [LOST 7 EVENTS]\n${line(0, 20)}`);
    expect(rows.at(-1)).toMatchObject({ event: '(lost)', cpu: 3, arg0: 7n, time: 1_000_020_000n, tid: -1 });
  });

  test('of one CPU before the same event add up; with one of unknown size nothing is known', () => {
    const lostBefore = (...lines: string[]) => {
      const { rows } = readText(`${line(0, 10)}${lines.join('')}${line(1, 20)}`);
      return rows.filter(({ event }) => event === '(lost)').map(({ cpu, arg0 }) => [cpu, arg0]);
    };
    const five = 'CPU:1 [LOST 5 EVENTS]\n';
    const seven = 'CPU:1 [LOST 7 EVENTS]\n';
    const unknown = 'CPU:1 [LOST EVENTS]\n';
    expect(lostBefore(five, seven)).toEqual([[1, 12n]]);
    expect(lostBefore(five, unknown)).toEqual([[1, null]]);
    expect(lostBefore(unknown, seven, five)).toEqual([[1, null]]);
    expect(lostBefore(five, 'CPU:2 [LOST 8 EVENTS]\n')).toEqual([
      [1, 5n],
      [2, 8n],
    ]);
  });

  test('at the end have the last event’s time, days after boot as well', () => {
    const late = line(0, 10).replace(' 1.000010', ' 700000.000010');
    expect(late).toContain(' 700000.000010:');
    const { rows } = readText(`${late}CPU:3 [LOST 7 EVENTS]\n`);
    expect(rows.map(({ event, time }) => [event, time])).toEqual([
      ['kvm_fpu', 700_000_000_010_000n],
      ['(lost)', 700_000_000_010_000n],
    ]);
  });

  test('move with their event when that is put in order', () => {
    const { rows } = readText(`${line(0, 10)}${line(0, 30)}CPU:1 [LOST 5 EVENTS]\n${line(1, 20)}`);
    expect(rows.map(({ event, cpu }) => [event, cpu])).toEqual([
      ['kvm_fpu', 0],
      ['(lost)', 1],
      ['kvm_fpu', 1],
      ['kvm_fpu', 0],
    ]);
  });
});

describe('order', () => {
  test('equals a stable merge of the CPUs for any step back within the window', () => {
    const events = fc.array(
      fc.record({
        cpu: fc.integer({ min: 0, max: 3 }),
        step: fc.integer({ min: 0, max: 3 }),
        delay: fc.nat(30),
      }),
      { minLength: 1, maxLength: 200 },
    );
    fc.assert(
      fc.property(events, (list) => {
        // Per CPU in order; the file is written with delays that differ between the CPUs.
        const now = [0, 0, 0, 0];
        const printed = list.map(({ cpu, step, delay }, index) => {
          now[cpu] += step;
          return { cpu, time: now[cpu], at: index + delay * cpu, index };
        });
        const seen = [0, 0, 0, 0];
        for (const event of printed) {
          event.at = Math.max(event.at, seen[event.cpu]);
          seen[event.cpu] = event.at;
        }
        const file = [...printed].sort((a, b) => a.at - b.at || a.index - b.index);
        const { rows, diagnostics } = readText(
          file.map(({ cpu, time, index }) => line(cpu, time, 'kvm_fpu: load', 1000 + index)).join(''),
        );
        expect(diagnostics).toEqual({});
        expect(rows.map((row) => row.tid - 1000)).toEqual(
          file
            .map((event, place) => ({ ...event, place }))
            .sort((a, b) => a.time - b.time || a.place - b.place)
            .map((e) => e.index),
        );
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  test('what comes too late is counted, what one CPU stamps backwards keeps its place', () => {
    const many = Array.from({ length: 70_000 }, (_, i) => line(0, 10 + i)).join('');
    const late = readText(`${line(1, 1)}${many}${line(1, 2)}`);
    expect(late.diagnostics).toEqual({ 'late-events': 1 });
    expect(late.rows.length).toBe(70_002);
    const within = readText(`${line(1, 1)}${many}${line(1, 70_009 - HOLD + 10)}`);
    expect(within.diagnostics).toEqual({});
    const back = readText(`${line(0, 50)}${line(0, 20)}${line(0, 60)}`);
    expect(back.rows.map((row) => Number(row.time % 1_000_000n) / 1000)).toEqual([50, 20, 60]);
    expect(back.diagnostics).toEqual({ 'time-backwards': 1 });
  });
});

describe('other lines', () => {
  test('headers tell tracer and overwritten events; blank, comment and buffer lines are silent', () => {
    const { rows, context, diagnostics } = readText(
      `# tracer: nop\n#\n# entries-in-buffer/entries-written: 2/12   #P:2\n\n##### CPU 1 buffer started ####\n${line(0, 1)}\n${line(0, 2)}`,
    );
    expect(rows.length).toBe(2);
    expect([...context.facts]).toEqual([
      ['tracer', 'nop'],
      ['cpus', '2'],
    ]);
    expect(diagnostics).toEqual({ 'overwritten-events': 10 });
  });

  test('markers keep their text with all its lines; QEMU events get their names', () => {
    const { rows, context, diagnostics } = readText(
      `${line(0, 1, 'tracing_mark_write: hello: world')}second line\n${line(0, 2, 'tracing_mark_write: kvm_run_exit cpu_index 1, reason 2')}${line(0, 3, 'tracing_mark_write: virtio_queue_notify vdev 0x1 n 0 vq 0x2')}${line(0, 4, 'tracing_mark_write: kvm_exit vcpu 0')}${line(0, 5, 'tracing_mark_write: qmp_enter_query_version')}`,
    );
    expect(rows.map(({ event, text }) => [event, text])).toEqual([
      ['tracing_mark_write', 'hello: world\nsecond line'],
      ['kvm_run_exit', null],
      ['virtio_queue_notify', null],
      // A marker cannot pose as one of the kernel's events.
      ['tracing_mark_write', 'kvm_exit vcpu 0'],
      ['qmp_enter_query_version', null],
    ]);
    expect(rows[1]).toMatchObject({ vcpu: 1, code: 2 });
    expect(rows[2]).toMatchObject({ address: 1n, arg0: 0n, arg1: 2n });
    expect(context.events.codes.get('kvm_run_exit')).toBe(4);
    expect(diagnostics).toEqual({ 'continuation-lines': 1, 'events-without-arguments': 1 });
  });

  test('a foreign line after a whole event is counted and changes nothing', () => {
    const event = line(0, 1, 'kvm_entry: vcpu 0, rip 0x1000');
    const { rows, diagnostics } = readText(`${event}^D garbage rip 0x2\n`);
    expect(rows).toEqual(readText(event).rows);
    expect(diagnostics).toEqual({ 'unreadable-lines': 1 });
  });

  test('a damaged event line is no continuation', () => {
    const { diagnostics } = readText(`${line(0, 1)}${line(0, 2).replace('1.000002', '1_000002')}`);
    expect(diagnostics).toEqual({ 'unreadable-lines': 1 });
  });

  test('stack traces are no events and nothing to warn of', () => {
    const stack = ' => trace_event_raw_event_kvm_exit\n => svm_handle_exit\n';
    const user = ' =>  <00007fc3a6b52d6b>\n => ??\n';
    const text = `${line(0, 1, 'kvm_fpu: load')}${line(0, 2, '<stack trace>')}${stack}${line(0, 3, '<user stack trace>')}${user}${line(0, 4, 'kvm_fpu: unload')}`;
    const { rows, diagnostics } = readText(text);
    expect(rows.map(({ event }) => event)).toEqual(['kvm_fpu', 'kvm_fpu']);
    expect(diagnostics).toEqual({});
  });

  test('lines of the function_graph tracer and of the option hex are refused with what to do', () => {
    const graph =
      '  193.255053 |   0)  CPU 1/K-134   |               |  /* kvm_entry: vcpu 1, rip 0xffffffffb2218e0d */\n';
    const bare = ' 0)               |  /* kvm_entry: vcpu 1, rip 0xffffffffb2218e0d */\n';
    const hex = '00000085 00000000 00000024cd7df21e type: 1482\n\n';
    for (const [text, word] of [
      [graph, /function_graph/],
      [bare, /function_graph/],
      [hex, /raw or hex/],
      [
        '       CPU 0/KVM     121   1 1 00000001 00000000 [01240370] 63.148ms (+0.329ms): kvm_entry: vcpu 0, rip 0x61\n',
        /the option verbose/,
      ],
    ] as const) {
      expect(ftraceText.sniff(Buffer.from(text), '').confidence).toBe(2);
      expect(() => readText(text)).toThrow(word);
    }
  });

  test('a trace file of the option bin is refused as well', () => {
    const bin = (byte: string) => `y\0\0\0\x01\0\0\0GlM${byte}\x04\0\0\0type: 1482\n`;
    const text = `# tracer: nop\n#\n${bin('\xad').repeat(3)}${bin('\n')}`;
    expect(() => readText(text)).toThrow(/, or bin/);
  });

  test('lines of the function tracer are counted', () => {
    expect(readText(line(0, 1, 'vmx_vcpu_run <-vcpu_enter_guest')).diagnostics).toEqual({
      'lines-without-event': 1,
    });
  });

  test('an empty trace is no error', () => {
    expect(readText('# tracer: nop\n#\n').rows).toEqual([]);
  });
});

describe('sniffing', () => {
  const sniff = (text: string) => ftraceText.sniff(Buffer.from(text), 'trace.dat');

  test.each([
    ['a trace file', '# tracer: nop\n#\n'],
    ['losses first', `CPU:1 [LOST 9 EVENTS]\nCPU:0 [LOST EVENTS]\n${line(0, 1)}${line(0, 2)}`],
    ['garbage first', `root@host:~# cat trace_pipe\n\nxx\n${line(0, 1)}${line(0, 2)}`],
    ['markers', line(0, 1, 'tracing_mark_write: a: b') + line(0, 2, 'tracing_mark_write: c')],
    ['no flags', '     CPU 0/KVM-7805    [000]   3777.095859: kvm_pio: pio_write at 0x3f8 size 1\n'],
    ['plain numbers', '       CPU 0/KVM-7819    [000] ..... 9806431382241: kvm_pio: x\n'],
    ['CRLF', line(0, 1).replace('\n', '\r\n')],
    ['a byte order mark', `\ufeff${line(0, 1)}`],
  ])('claims %s', (_, text) => {
    expect(sniff(text)).toMatchObject({ confidence: expect.toSatisfy((value: number) => value >= 2) });
  });

  test.each([
    ['trace-cmd report', 'cpus=2\n       CPU 0/KVM-131   [001]    77.636183: kvm_nested_vmexit:    x\n'],
    [
      'trace-cmd report without its header',
      ' qemu-system-x86-3927  [007]   302.533069: kvm_exit:             reason EPT_VIOLATION rip 0xf info d82 0\n',
    ],
    [
      'trace-cmd report with flags',
      ' qemu-system-x86-3927  [007] d..1.   302.533069: kvm_exit:             reason EPT_VIOLATION rip 0xf info d82 0\n',
    ],
    [
      'trace-cmd report with a raw clock',
      ' qemu-system-x86-3927  [001]9513815301290: kvm_fpu:              load\n',
    ],
    [
      'perf script',
      '       CPU 0/KVM  1902 [001]  3388.734556:            kvm:kvm_pio: pio_write at 0x3f8 \n',
    ],
    [
      'perf script of a name with a dash',
      '   qemu-12  1902 [001]  3388.734556: kvm:kvm_pio: pio_write at 0x3f8 \n',
    ],
    ['a QEMU log', '1234@1700000000.123456:kvm_run_exit cpu_index 0, reason 2\n'],
    ['perf.data', 'PERFILE2h\0\0\0\0\0\0\0'],
    ['trace.dat', '\x17\x08Dtracing6\0\0\0'],
    ['a letter', 'Dear all,\nsee [001] below.\n'],
    ['nothing', ''],
  ])('leaves %s to others', (_, text) => {
    expect(sniff(text).confidence).toBe(0);
    expect(sniff(text).reason).not.toBe('');
  });
});
