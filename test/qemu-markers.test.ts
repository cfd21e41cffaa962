/** Markers of QEMU's ftrace backend inside kernel captures, against the simpletrace file of the same run. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { listDiagnostics } from '../src/core/diagnostics.ts';
import { F_MARKER } from '../src/core/event-batch.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { detectFormat, loadFormats } from '../src/parsers/registry.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { SNIFF_BYTES } from '../src/parsers/trace-format.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { load, type QemuRow, readTrace, rowsOf } from './support/qemu-traces.ts';

const FORMATS = await loadFormats();

const TRACE_EVENTS = load(path.join(SAMPLES, 'qemu-simpletrace/trace-events-all.gz')).toString();

/** Rows that user space wrote, and what the parser said. */
function readMarkers(bytes: Uint8Array, traceEvents?: string) {
  const context = createTraceContext();
  const rows: QemuRow[] = [];
  const { format } = detectFormat(bytes.subarray(0, SNIFF_BYTES), 'unknown', FORMATS);
  const options = traceEvents === undefined ? {} : { traceEvents };
  for (const batch of format!.parse(memorySource(bytes), context, options))
    rows.push(...rowsOf(batch, context).filter((_, i) => batch.fields[i] & F_MARKER));
  const diagnostics = Object.fromEntries(
    listDiagnostics(context.diagnostics).map(({ code, count }) => [code, count]),
  );
  return { rows, diagnostics };
}

const marked = ['qemu', 'x86'].flatMap((group) => {
  const root = path.join(SHARED, 'corpus', group);
  return (existsSync(root) ? readdirSync(root) : []).flatMap((name) => {
    const file = ['trace_pipe.txt', 'trace_pipe.txt.gz', 'trace.dat']
      .map((part) => path.join(root, name, part))
      .find((candidate) => existsSync(candidate));
    return file && existsSync(path.join(root, name, 'trace.bin'))
      ? [[`${group}/${name}`, path.join(root, name), file] as const]
      : [];
  });
});

describe.runIf(HAS_SHARED)('kernel captures beside simpletrace files', () => {
  test('are there', () => expect(marked.length).toBeGreaterThanOrEqual(10));

  test.each(marked)('%s: the same events with the same arguments', (id, folder, file) => {
    const { rows, diagnostics } = readMarkers(load(file), TRACE_EVENTS);
    const binary = readTrace(simpletrace, load(path.join(folder, 'trace.bin')), {
      traceEvents: TRACE_EVENTS,
    }).rows;
    const narrow = (value: bigint | null) => (value === null ? null : BigInt.asUintN(32, value));
    const show = ({ event, vcpu, code, address, info1, info2, arg0, arg1, text }: QemuRow) =>
      [event, vcpu, code, address, info1, narrow(info2), narrow(arg0), narrow(arg1), text].join(' ');
    const missing = new Map<string, number>();
    for (const row of binary) missing.set(show(row), (missing.get(show(row)) ?? 0) + 1);
    const odd = rows.filter((row) => {
      const left = missing.get(show(row)) ?? 0;
      missing.set(show(row), left - 1);
      return left === 0;
    });
    // The ftrace backend cuts what it writes at 512 bytes with name and numbers, the simple backend each string.
    expect(odd.every(({ text }) => (text?.length ?? 0) > 400)).toBe(true);
    // On the x86 hosts the kernel's buffer was opened later and closed earlier than QEMU's file.
    if (id.startsWith('qemu/')) expect(rows.length).toBe(binary.length);
    expect(rows.length).toBeGreaterThan(0);
    expect(diagnostics['events-without-arguments']).toBeUndefined();
  });
});

const line = (micros: number, event: string) =>
  ` qemu-system-x86-16377   [000] ...1.  1865.${String(micros).padStart(6, '0')}: ${event}\n`;

test('without declarations: what the tool knows itself is read, the rest counted once QEMU is known to write', () => {
  const unknown = line(1, 'tracing_mark_write: my_own_event x 1');
  expect(readMarkers(Buffer.from(unknown)).diagnostics).toEqual({});
  const { rows, diagnostics } = readMarkers(
    Buffer.from(
      unknown +
        line(
          2,
          'tracing_mark_write: kvm_set_ioeventfd_pio fd: 21 @0xc050 val=0x1 assign: 1 size: 2 match: 0',
        ) +
        line(3, 'tracing_mark_write: virtio_queue_notify vdev 0x10 n 2 vq 0x20') +
        line(4, 'tracing_mark_write: my_own_event x 1') +
        line(5, 'tracing_mark_write: kvm_msr stays a text') +
        line(6, 'tracing_mark_write: kvm_run_exit cpu_index 3, cause 2'),
    ),
  );
  expect(rows.map(({ event }) => event)).toEqual([
    'my_own_event',
    'kvm_set_ioeventfd_pio',
    'virtio_queue_notify',
    'my_own_event',
    'tracing_mark_write',
    'kvm_run_exit',
  ]);
  expect(rows[1]).toMatchObject({ code: 1, address: 0xc050n, arg0: 1n, arg1: 0n, info1: 2n, info2: 21n });
  expect(rows[2]).toMatchObject({ address: 0x10n, arg0: 2n, arg1: 0x20n });
  expect(rows[4].text).toBe('kvm_msr stays a text');
  expect(rows[5]).toMatchObject({ vcpu: null, code: null });
  expect(diagnostics).toEqual({ 'events-without-arguments': 2, 'unreadable-event-text': 1 });
});
