/** Every simpletrace file of samples and corpus against QEMU's own decoder, and against the kernel's side of the run. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { detectFormat, loadFormats } from '../src/parsers/registry.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { SNIFF_BYTES } from '../src/parsers/trace-format.ts';
import { SAMPLES, SHARED } from './support/corpus.ts';
import { load, type QemuRow, readTrace } from './support/qemu-traces.ts';

const FORMATS = await loadFormats();

const TRACE_EVENTS = load(path.join(SAMPLES, 'qemu-simpletrace/trace-events-all.gz')).toString();

/** Folders with a trace.bin, by name. */
function folders(): string[] {
  const all = [path.join(SAMPLES, 'qemu-simpletrace')];
  for (const group of ['qemu', 'x86']) {
    const root = path.join(SHARED, 'corpus', group);
    if (existsSync(root)) all.push(...readdirSync(root).map((name) => path.join(root, name)));
  }
  return all.filter((folder) => existsSync(path.join(folder, 'trace.bin')));
}

function anyOf(folder: string, names: readonly string[]): string | null {
  return (
    names
      .flatMap((name) => [name, `${name}.gz`])
      .map((name) => path.join(folder, name))
      .find((file) => existsSync(file)) ?? null
  );
}

interface Printed {
  event: string;
  /** ns since the first record. */
  since: bigint;
  pid: number;
  args: [name: string, value: bigint | string][];
}

/** Text of scripts/simpletrace.py: `NAME MICROSECONDS pid=PID arg=0xHEX name=b'TEXT'`. */
function parsePrinted(text: string): Printed[] {
  let since = 0n;
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const head = /^(\w+) (-?)(\d+)\.(\d{3}) pid=(\d+)/.exec(line)!;
      since += BigInt(`${head[2]}${head[3]}${head[4]}`);
      const args: Printed['args'] = [];
      for (const match of line
        .slice(head[0].length)
        .matchAll(/ (\w+)=(?:(0x[0-9a-f]+)|b'((?:[^'\\]|\\.)*)'|b"((?:[^"\\]|\\.)*)")/g))
        args.push([match[1], match[2] ? BigInt(match[2]) : unescapeBytes(match[3] ?? match[4])]);
      return { event: head[1], since, pid: Number(head[5]), args };
    });
}

/** A Python bytes literal as UTF-8 text. */
function unescapeBytes(literal: string): string {
  const bytes = literal.replace(/\\(x([0-9a-f]{2})|.)/g, (_, char: string, hex?: string) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : ({ n: '\n', r: '\r', t: '\t' }[char] ?? char),
  );
  return Buffer.from(bytes, 'latin1').toString();
}

type Values = Omit<QemuRow, 'event' | 'time' | 'tid' | 'pid'>;
const NONE: Values = {
  vcpu: null,
  code: null,
  address: null,
  info1: null,
  info2: null,
  arg0: null,
  arg1: null,
  text: null,
};

/** What the columns must hold, written down apart from the program's table. */
function expectedValues({ event, args }: Printed): Values {
  const all = Object.fromEntries(args);
  const big = (name: string) => all[name] as bigint;
  const low = (name: string) => Number(BigInt.asUintN(32, big(name)));
  const vcpu = (name: string) => {
    const index = Number(BigInt.asIntN(32, big(name)));
    return index === -1 ? null : index;
  };
  switch (event) {
    case 'Dropped_Event':
      return { ...NONE, arg0: big('num_events_dropped') };
    case 'kvm_run_exit':
      return { ...NONE, vcpu: vcpu('cpu_index'), code: low('reason') };
    case 'kvm_vcpu_ioctl':
      return { ...NONE, vcpu: vcpu('cpu_index'), code: low('type'), arg0: big('arg') };
    case 'kvm_vm_ioctl':
    case 'kvm_ioctl':
      return { ...NONE, code: low('type'), arg0: big('arg') };
    case 'memory_region_ops_read':
    case 'memory_region_ops_write':
      return {
        ...NONE,
        vcpu: vcpu('cpu_index'),
        address: big('addr'),
        arg0: big('value'),
        arg1: big('mr'),
        info1: big('size'),
        text: all.name as string,
      };
    case 'virtio_queue_notify':
      return { ...NONE, address: big('vdev'), arg0: big('n'), arg1: big('vq') };
    case 'virtio_notify':
    case 'virtio_notify_irqfd':
      return { ...NONE, address: big('vdev'), arg1: big('vq') };
    case 'virtio_set_status':
      return { ...NONE, address: big('vdev'), arg0: big('val') };
    case 'virtio_blk_handle_read':
    case 'virtio_blk_handle_write':
      return { ...NONE, address: big('vdev'), arg0: big('sector'), arg1: big('req'), info1: big('nsectors') };
    case 'virtio_blk_rw_complete':
      return { ...NONE, address: big('vdev'), arg0: big('ret'), arg1: big('req') };
    case 'virtio_blk_req_complete':
      return { ...NONE, address: big('vdev'), arg0: big('status'), arg1: big('req') };
    case 'kvm_set_ioeventfd_mmio':
    case 'kvm_set_ioeventfd_pio':
      return {
        ...NONE,
        address: big('addr'),
        arg0: big('val'),
        arg1: big('datamatch'),
        info1: big('size'),
        info2: big('fd'),
        code: low('assign'),
      };
    case 'kvm_set_user_memory':
      return {
        ...NONE,
        address: big('guest_phys_addr'),
        info1: big('memory_size'),
        info2: big('slot'),
        arg0: big('userspace_addr'),
        arg1: big('ret'),
        code: low('flags'),
      };
    case 'kvm_init_vcpu':
      return { ...NONE, vcpu: vcpu('cpu_index'), arg0: big('arch_cpu_id') };
    case 'pci_cfg_read':
    case 'pci_cfg_write':
      return { ...NONE, address: big('offs'), arg0: big('val'), text: all.dev as string };
    case 'runstate_set':
      return {
        ...NONE,
        arg0: big('current_state'),
        code: low('new_state'),
        text: all.new_state_str as string,
      };
    default: {
      const numbers = args
        .filter(([, value]) => typeof value === 'bigint')
        .map(([, value]) => value as bigint);
      const text = args.find(([, value]) => typeof value === 'string')?.[1] as string | undefined;
      return { ...NONE, arg0: numbers[0] ?? null, arg1: numbers[1] ?? null, text: text || null };
    }
  }
}

const found = folders();

test('there are files to compare with', () => {
  expect(found.length).toBeGreaterThanOrEqual(existsSync(SHARED) ? 17 : 1);
});

describe.each(found.map((folder) => [path.basename(folder), folder] as const))('%s', (name, folder) => {
  const bytes = load(path.join(folder, 'trace.bin'));
  const { rows, context, diagnostics } = readTrace(simpletrace, bytes, { traceEvents: TRACE_EVENTS });
  const printed = parsePrinted(load(anyOf(folder, ['decoded.txt', 'simpletrace.txt'])!).toString());

  test('is recognised by content', () => {
    const { format } = detectFormat(bytes.subarray(0, SNIFF_BYTES), 'unknown', FORMATS);
    expect(format?.id).toBe('simpletrace');
  });

  test("equals what QEMU's decoder prints, record by record", () => {
    // The decoder prints in file order; rows are in time order, stable.
    const wanted = printed
      .map((line, index) => ({ line, index }))
      .sort((a, b) => Number(a.line.since - b.line.since) || a.index - b.index)
      .map(({ line }) => line);
    const first = rows.findIndex((row) => row.event === printed[0].event);
    const origin = rows[first].time - printed[0].since;
    expect(rows.length).toBe(wanted.length);
    const got = rows.map(({ event, time, pid, tid: _, ...values }) => ({
      event,
      since: time - origin,
      pid,
      ...values,
    }));
    expect(got).toEqual(
      wanted.map((line) => ({
        event: line.event,
        since: line.since,
        pid: line.pid,
        ...expectedValues(line),
      })),
    );
    expect(context.clock).toBe('mono');
    expect(context.enabledEvents).toBeNull();
  });

  test('counts what is wrong with the file, and nothing else', () => {
    const wanted: Record<string, Record<string, number>> = {
      'kvm-killed': { 'truncated-file': 1 },
      'kvm-drops-fifo': {
        'qemu-dropped-events': printed
          .filter(({ event }) => event === 'Dropped_Event')
          .reduce((sum, { args }) => sum + Number(args[0][1]), 0),
      },
    };
    expect(diagnostics).toEqual(wanted[name] ?? {});
  });

  test('without the events file: the same names and times, and kvm_run_exit in full', () => {
    const bare = readTrace(simpletrace, bytes);
    expect(bare.rows.map(({ event, time }) => `${event} ${time}`)).toEqual(
      rows.map(({ event, time }) => `${event} ${time}`),
    );
    const exits = (all: readonly QemuRow[]) => all.filter(({ event }) => event === 'kvm_run_exit');
    expect(exits(bare.rows)).toEqual(exits(rows));
    // Whatever else is decoded from what is known of QEMU is decoded right.
    for (const [i, row] of bare.rows.entries())
      if (row.code !== null || row.arg0 !== null || row.address !== null) expect(row).toEqual(rows[i]);
  });

  test('reads of one byte give the same', () => {
    const bytewise = readTrace(simpletrace, bytes, { maxRead: 1, traceEvents: TRACE_EVENTS });
    expect(bytewise.rows).toEqual(rows);
    expect(bytewise.diagnostics).toEqual(diagnostics);
  });
});

/** The kernel's captures of the same runs, all on CLOCK_MONOTONIC. */
const joint = found.flatMap((folder) =>
  ['perf.data', 'trace_pipe.txt', 'trace.dat'].flatMap((file) => {
    const kernel = anyOf(folder, [file]);
    const format = kernel && detectFormat(load(kernel).subarray(0, SNIFF_BYTES), 'unknown', FORMATS).format;
    // One is on another clock, the other has no KVM.
    const alone = ['st-pipe-local', 'tcg-strings-qmp'].includes(path.basename(folder));
    return kernel && format && !alone
      ? [{ id: `${path.basename(folder)}/${file}`, folder, kernel, format }]
      : [];
  }),
);

test('there are joint captures', () => {
  expect(joint.length).toBeGreaterThanOrEqual(existsSync(SHARED) ? 12 : 1);
});

describe.each(joint)(
  "$id: the kernel's userspace exits are QEMU's kvm_run_exit",
  ({ folder, kernel, format }) => {
    test('one to one per vCPU, in time order, without restarts and errors', () => {
      const qemu = readTrace(simpletrace, load(path.join(folder, 'trace.bin'))).rows;
      const exits = qemu.filter(({ event }) => event === 'kvm_run_exit');
      const returns = readTrace(format, load(kernel)).rows.filter(
        ({ event, arg0 }) => event === 'kvm_userspace_exit' && !(arg0! >> 63n),
      );
      const threads = [...new Set(returns.map(({ tid }) => tid))];
      const vcpus = [...new Set(exits.map(({ vcpu }) => vcpu))];
      let compared = 0;
      const matched = new Set<number | null>();
      for (const vcpu of vcpus) {
        const mine = exits.filter(
          (row) => row.vcpu === vcpu && row.time > exits[0].time && row.time > returns[0].time,
        );
        // The thread of a vCPU is the one whose events alternate with QEMU's.
        const thread = threads.find(
          (tid) =>
            alternates(
              returns.filter((row) => row.tid === tid),
              mine,
            ) > 0,
        );
        if (mine.length === 0) continue;
        expect(thread, `vCPU ${vcpu}`).toBeDefined();
        expect(matched.has(thread!)).toBe(false);
        matched.add(thread!);
        compared += alternates(
          returns.filter((row) => row.tid === thread),
          mine,
        );
      }
      expect(compared).toBeGreaterThanOrEqual(Math.min(100, exits.length - vcpus.length));
    });
  },
);

/** Pairs, if every return in the common time is followed by QEMU's exit of the same reason before the next; else 0. */
function alternates(returns: readonly QemuRow[], exits: readonly QemuRow[]): number {
  if (returns.length === 0 || exits.length === 0) return 0;
  // Text of the kernel is cut to microseconds; the last few may lie behind the end of either recording.
  const before = returns.filter(({ time }) => time <= exits[0].time).length - 1;
  if (before < 0) return alternates(returns, exits.slice(1));
  const count = Math.min(exits.length, returns.length - before);
  for (let i = 0; i < count; i++) {
    const exit = exits[i];
    const back = returns[before + i];
    if (back.code !== exit.code || back.time > exit.time) return 0;
  }
  return count;
}
