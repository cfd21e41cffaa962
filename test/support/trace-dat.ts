/**
 * Builds trace.dat files of both versions from scratch, by the descriptions of the format and without any of the
 * parser's code, and reads files into plain rows.
 */
import { deflateSync } from 'node:zlib';
import { type Diagnostic, listDiagnostics } from '../../src/core/diagnostics.ts';
import { F_ADDRESS, F_ARG0, F_CODE, F_INFO1, F_ISA } from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { wordsToBigInt, wordsToBigUint } from '../../src/core/words.ts';
import { memorySource } from '../../src/parsers/byte-source.ts';
import { traceDat } from '../../src/parsers/trace-dat/index.ts';
import type { ParseOptions } from '../../src/parsers/trace-format.ts';

export interface DatRow {
  time: bigint;
  cpu: number;
  tid: number;
  event: string;
  vcpu: number;
  isa: number | null;
  code: number | null;
  address: bigint | null;
  info1: bigint | null;
  arg0: bigint | null;
  text: string | null;
}

export interface ReadDat {
  rows: DatRow[];
  context: TraceContext;
  list: Diagnostic[];
  diagnostics: Record<string, number>;
}

export function readDat(bytes: Uint8Array, maxRead = Infinity, options: ParseOptions = {}): ReadDat {
  const context = createTraceContext();
  const rows: DatRow[] = [];
  for (const b of traceDat.parse(memorySource(bytes, 'test', maxRead), context, options))
    for (let i = 0; i < b.length; i++) {
      const f = b.fields[i];
      const wide = (column: Uint32Array, bit: number) =>
        f & bit ? wordsToBigUint(column[2 * i], column[2 * i + 1]) : null;
      rows.push({
        time: wordsToBigInt(b.time[2 * i], b.time[2 * i + 1]),
        cpu: b.cpu[i],
        tid: b.tid[i],
        event: context.events.names[b.event[i]],
        vcpu: b.vcpu[i],
        isa: f & F_ISA ? b.isa[i] : null,
        code: f & F_CODE ? b.code[i] : null,
        address: wide(b.address, F_ADDRESS),
        info1: wide(b.info1, F_INFO1),
        arg0: wide(b.arg0, F_ARG0),
        text: b.text[i] < 0 ? null : context.strings.values[b.text[i]],
      });
    }
  const list = listDiagnostics(context.diagnostics);
  return { rows, context, list, diagnostics: Object.fromEntries(list.map((d) => [d.code, d.count])) };
}

/** How the recording machine stores things. */
export interface Machine {
  little: boolean;
  /** sizeof(long) of the kernel. */
  long: 4 | 8;
  pageSize: number;
}

export const X86: Machine = { little: true, long: 8, pageSize: 4096 };

export function num(machine: Machine, size: 1 | 2 | 4 | 8, value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  const part = Buffer.from(bytes.subarray(0, size));
  return machine.little ? part : part.reverse();
}

const cstring = (text: string) => Buffer.from(`${text}\0`, 'utf8');
const sized = (machine: Machine, size: 4 | 8, text: string | Buffer) => {
  const body = Buffer.from(text as string);
  return Buffer.concat([num(machine, size, body.length), body]);
};

const COMMON = `\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

`;
const format = (name: string, id: number, fields: string) =>
  `name: ${name}\nID: ${id}\nformat:\n${COMMON}${fields}\nprint fmt: "%d", REC->x\n`;

export const ID_PRINT = 5;
export const ID_EXIT = 70;
export const ID_ENTRY = 71;
export const ID_SWITCH = 72;
export const ID_UNKNOWN = 999;

const FTRACE = [
  format(
    'print',
    ID_PRINT,
    '\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n',
  ),
];
/** A layout of our own: the parser has to go by the description. */
const KVM = [
  format(
    'kvm_exit',
    ID_EXIT,
    '\tfield:u32 isa;\toffset:8;\tsize:4;\tsigned:0;\n\tfield:unsigned int exit_reason;\toffset:12;\tsize:4;\tsigned:0;\n\tfield:unsigned long guest_rip;\toffset:16;\tsize:8;\tsigned:0;\n\tfield:u64 info1;\toffset:24;\tsize:8;\tsigned:0;\n\tfield:unsigned int vcpu_id;\toffset:32;\tsize:4;\tsigned:0;\n',
  ),
  format(
    'kvm_entry',
    ID_ENTRY,
    '\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;\n\tfield:unsigned long rip;\toffset:12;\tsize:8;\tsigned:0;\n',
  ),
];
const SCHED = [
  format(
    'sched_switch',
    ID_SWITCH,
    '\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n\tfield:char next_comm[16];\toffset:28;\tsize:16;\tsigned:0;\n\tfield:pid_t next_pid;\toffset:44;\tsize:4;\tsigned:1;\n',
  ),
];

const common = (m: Machine, id: number, tid: number) =>
  Buffer.concat([num(m, 2, id), Buffer.alloc(2), num(m, 4, tid)]);

export function exitRecord(
  m: Machine,
  tid: number,
  reason: number,
  rip: bigint,
  info1 = 0n,
  vcpu = 0,
): Buffer {
  return Buffer.concat([
    common(m, ID_EXIT, tid),
    num(m, 4, 1),
    num(m, 4, reason),
    num(m, 8, rip),
    num(m, 8, info1),
    num(m, 4, vcpu),
  ]);
}

export function entryRecord(m: Machine, tid: number, rip: bigint, vcpu = 0): Buffer {
  return Buffer.concat([common(m, ID_ENTRY, tid), num(m, 4, vcpu), num(m, 8, rip)]);
}

export function printRecord(m: Machine, tid: number, text: string): Buffer {
  return Buffer.concat([common(m, ID_PRINT, tid), num(m, 8, 0), cstring(text)]);
}

export function switchRecord(m: Machine, prev: [number, string], next: [number, string]): Buffer {
  const comm = (name: string) => Buffer.concat([Buffer.from(name), Buffer.alloc(16)]).subarray(0, 16);
  return Buffer.concat([
    common(m, ID_SWITCH, prev[0]),
    comm(prev[1]),
    num(m, 4, prev[0]),
    comm(next[1]),
    num(m, 4, next[0]),
  ]);
}

export function unknownRecord(m: Machine, tid: number): Buffer {
  return common(m, ID_UNKNOWN, tid);
}

/** One thing in a page, by kernel/trace/ring_buffer.c. */
export type PageItem =
  | { kind: 'event'; delta: number; record: Buffer; long?: boolean }
  | { kind: 'extend'; delta: bigint }
  | { kind: 'stamp'; time: bigint }
  | { kind: 'discarded'; delta: number; length: number };

function header(m: Machine, type: number, delta: number): Buffer {
  return num(m, 4, m.little ? BigInt(type) | (BigInt(delta) << 5n) : (BigInt(type) << 27n) | BigInt(delta));
}

export function encodeItem(m: Machine, item: PageItem): Buffer {
  switch (item.kind) {
    case 'event': {
      const payload = Buffer.concat([item.record, Buffer.alloc((4 - (item.record.length % 4)) % 4)]);
      if (!item.long && payload.length > 0 && payload.length <= 112)
        return Buffer.concat([header(m, payload.length / 4, item.delta), payload]);
      return Buffer.concat([header(m, 0, item.delta), num(m, 4, item.record.length + 4), payload]);
    }
    case 'extend':
      return Buffer.concat([header(m, 30, Number(item.delta & 0x7ffffffn)), num(m, 4, item.delta >> 27n)]);
    case 'stamp':
      return Buffer.concat([
        header(m, 31, Number(item.time & 0x7ffffffn)),
        num(m, 4, (item.time >> 27n) & 0xffffffffn),
      ]);
    default:
      return Buffer.concat([
        header(m, 29, Math.max(1, item.delta)),
        num(m, 4, item.length + 4),
        Buffer.alloc(item.length, 0xee),
      ]);
  }
}

/** `lost`: events lost before the page; 'unknown' for a flag without a number. */
export interface Page {
  time: bigint;
  items: PageItem[];
  lost?: number | 'unknown';
}

export const dataOffset = (m: Machine) => 8 + m.long;

export function encodePage(m: Machine, page: Page): Buffer {
  const data = Buffer.concat(page.items.map((item) => encodeItem(m, item)));
  const space = m.pageSize - dataOffset(m);
  if (data.length > space) throw new Error('page too small');
  const flags = page.lost === undefined ? 0n : page.lost === 'unknown' ? 0x80000000n : 0xc0000000n;
  // The kernel adds the flags as signed 32-bit numbers: on 64 bits the upper half becomes ones.
  const commit = BigInt.asUintN(64, BigInt.asIntN(32, flags) + BigInt(data.length));
  const bytes = Buffer.alloc(m.pageSize);
  bytes.set(num(m, 8, page.time), 0);
  bytes.set(num(m, m.long, commit), 8);
  bytes.set(data, dataOffset(m));
  // Unused space ends with padding that has no time.
  if (space - data.length >= 4) bytes.set(header(m, 29, 0), dataOffset(m) + data.length);
  if (typeof page.lost === 'number') {
    if (space - data.length < m.long) throw new Error('no room for the lost count');
    bytes.set(num(m, m.long, page.lost), dataOffset(m) + data.length);
  }
  return bytes;
}

export interface BuiltBuffer {
  name: string;
  /** Pages of each CPU. */
  cpus: Map<number, Page[]>;
}

export interface BuiltFile {
  machine: Machine;
  buffers: BuiltBuffer[];
  /** id and body each. */
  options?: [number, Buffer][];
  cmdlines?: string;
  /** Version 7. */
  compression?: 'none' | 'zlib';
  /** Pages per compressed chunk. */
  chunkPages?: number;
  /** Text of a latency tracer in place of the top buffer. */
  latency?: string;
}

const headerPage = (m: Machine) =>
  `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:${m.long};\tsigned:1;\n` +
  `\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\tfield: char data;\toffset:${dataOffset(m)};\tsize:${m.pageSize - dataOffset(m)};\tsigned:1;\n`;
const HEADER_EVENT =
  '# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n';

const headerInfo = (m: Machine) =>
  Buffer.concat([
    cstring('header_page'),
    sized(m, 8, headerPage(m)),
    cstring('header_event'),
    sized(m, 8, HEADER_EVENT),
  ]);
const ftraceFormats = (m: Machine) =>
  Buffer.concat([num(m, 4, FTRACE.length), ...FTRACE.map((text) => sized(m, 8, text))]);
const eventFormats = (m: Machine) =>
  Buffer.concat([
    num(m, 4, 2),
    cstring('kvm'),
    num(m, 4, KVM.length),
    ...KVM.map((text) => sized(m, 8, text)),
    cstring('sched'),
    num(m, 4, SCHED.length),
    ...SCHED.map((text) => sized(m, 8, text)),
  ]);

const start = (m: Machine, version: string) =>
  Buffer.concat([
    Buffer.from([0x17, 8, 0x44]),
    Buffer.from('tracing'),
    cstring(version),
    Buffer.from([m.little ? 0 : 1, 8]),
    num(m, 4, m.pageSize),
  ]);

const pagesOf = (m: Machine, pages: readonly Page[]) =>
  Buffer.concat(pages.map((page) => encodePage(m, page)));

/** Bytes that grow, with places to be filled in later. */
function writer(m: Machine) {
  const parts: Buffer[] = [];
  let at = 0;
  return {
    get at() {
      return at;
    },
    put(...buffers: Buffer[]) {
      for (const buffer of buffers) {
        parts.push(buffer);
        at += buffer.length;
      }
    },
    hole(size: number): (value: number) => void {
      const buffer = Buffer.alloc(size);
      this.put(buffer);
      return (value) => buffer.set(num(m, size as 8, value));
    },
    align(size: number) {
      this.put(Buffer.alloc((size - (at % size)) % size));
    },
    bytes: () => Buffer.concat(parts),
  };
}

const option = (m: Machine, id: number, body: Buffer) =>
  Buffer.concat([num(m, 2, id), num(m, 4, body.length), body]);

export function buildV6(file: BuiltFile): Buffer {
  const { machine: m } = file;
  const out = writer(m);
  const cpuCount = Math.max(1, ...file.buffers.flatMap(({ cpus }) => [...cpus.keys()].map((cpu) => cpu + 1)));
  out.put(start(m, '6'), headerInfo(m), ftraceFormats(m), eventFormats(m), num(m, 4, 0), num(m, 4, 0));
  out.put(sized(m, 8, file.cmdlines ?? ''), num(m, 4, cpuCount), Buffer.from('options  \0'));
  for (const [id, body] of file.options ?? []) out.put(option(m, id, body));
  const [top, ...instances] = file.buffers;
  const offsets = instances.map(({ name }) => {
    out.put(num(m, 2, 3), num(m, 4, 8 + name.length + 1));
    const hole = out.hole(8);
    out.put(cstring(name));
    return hole;
  });
  out.put(num(m, 2, 0));
  if (file.latency !== undefined) {
    out.put(Buffer.from('latency  \0'), Buffer.from(file.latency));
    return out.bytes();
  }
  const table = (buffer: BuiltBuffer) => {
    out.put(Buffer.from('flyrecord\0'));
    const entries = Array.from({ length: cpuCount }, () => [out.hole(8), out.hole(8)] as const);
    out.put(sized(m, 8, '[local]'));
    entries.forEach(([offset, size], cpu) => {
      const pages = pagesOf(m, buffer.cpus.get(cpu) ?? []);
      if (pages.length > 0) out.align(m.pageSize);
      offset(out.at);
      size(pages.length);
      out.put(pages);
    });
  };
  table(top);
  for (const [i, instance] of instances.entries()) {
    offsets[i](out.at);
    table(instance);
  }
  return out.bytes();
}

export function buildV7(file: BuiltFile): Buffer {
  const { machine: m, compression = 'none' } = file;
  const out = writer(m);
  const compressed = compression !== 'none';
  out.put(start(m, '7'), cstring(compression), cstring(compressed ? '1.2.3' : ''));
  const firstOptions = out.hole(8);
  const block = (plain: Buffer) => {
    const stored = deflateSync(plain);
    return Buffer.concat([num(m, 4, stored.length), num(m, 4, plain.length), stored]);
  };
  const section = (id: number, body: Buffer) => {
    const stored = compressed ? block(body) : body;
    const at = out.at;
    out.put(
      num(m, 2, id),
      num(m, 2, compressed ? 1 : 0),
      num(m, 4, 0xffffffff),
      num(m, 8, stored.length),
      stored,
    );
    return option(m, id, num(m, 8, at));
  };
  const options = [section(16, headerInfo(m)), section(17, ftraceFormats(m)), section(18, eventFormats(m))];
  options.push(section(19, num(m, 4, 0)), section(21, sized(m, 8, file.cmdlines ?? '')));
  for (const [id, body] of file.options ?? []) options.push(option(m, id, body));
  const optionSection = (parts: Buffer[], last: boolean) => {
    const body = Buffer.concat(parts);
    out.put(
      num(m, 2, 0),
      num(m, 2, 0),
      num(m, 4, 0xffffffff),
      num(m, 8, body.length + 14),
      body,
      num(m, 2, 0),
      num(m, 4, 8),
    );
    if (!last) return out.hole(8);
    out.put(num(m, 8, 0));
    return () => {};
  };
  firstOptions(out.at);
  let next = optionSection(options, file.buffers.length === 0 && file.latency === undefined);
  if (file.latency !== undefined) {
    const at = out.at;
    const text = Buffer.from(file.latency);
    const stored = compressed ? Buffer.concat([num(m, 4, 1), block(text)]) : text;
    out.put(num(m, 2, 22), num(m, 2, compressed ? 1 : 0), num(m, 4, 0), num(m, 8, stored.length), stored);
    next(out.at);
    next = optionSection(
      [option(m, 22, Buffer.concat([num(m, 8, at), cstring(''), cstring('local')]))],
      true,
    );
  }
  file.buffers.forEach((buffer, index) => {
    const at = out.at;
    out.put(num(m, 2, 3), num(m, 2, compressed ? 1 : 0), num(m, 4, 0));
    const size = out.hole(8);
    const body = out.at;
    const entries: Buffer[] = [];
    for (const [cpu, pages] of [...buffer.cpus].sort(([a], [b]) => a - b)) {
      if (pages.length === 0) continue;
      out.align(m.pageSize);
      const offset = out.at;
      let stated: number;
      if (compressed) {
        const step = file.chunkPages ?? 10;
        const chunks: Buffer[] = [];
        for (let i = 0; i < pages.length; i += step) chunks.push(block(pagesOf(m, pages.slice(i, i + step))));
        out.put(num(m, 4, chunks.length), ...chunks);
        // trace-cmd leaves the count of chunks out of the size.
        stated = out.at - offset - 4;
      } else {
        out.put(pagesOf(m, pages));
        stated = out.at - offset;
      }
      entries.push(Buffer.concat([num(m, 4, cpu), num(m, 8, offset), num(m, 8, stated)]));
    }
    size(out.at - body);
    next(out.at);
    next = optionSection(
      [
        option(
          m,
          3,
          Buffer.concat([
            num(m, 8, at),
            cstring(buffer.name),
            cstring('local'),
            num(m, 4, m.pageSize),
            num(m, 4, entries.length),
            ...entries,
          ]),
        ),
      ],
      index === file.buffers.length - 1,
    );
  });
  return out.bytes();
}
