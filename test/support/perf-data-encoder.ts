/**
 * Builds perf.data in every container from a list of records, by the descriptions of the format
 * (tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h) and without any of the
 * parser's code.
 */
import { type PerfBytes, perfBytes } from './perf-data-bytes.ts';
import {
  ENTRY_ID,
  EXIT_ID,
  encodeRecord,
  foreignType,
  type PerfOptions,
  type PerfRecord,
  SAMPLE_IDS,
  sampleType,
} from './perf-data-records.ts';

/** null: FINISHED_ROUND. */
export type Stream = readonly (PerfRecord | null)[];

const FORMATS = [
  `name: kvm_exit
ID: ${EXIT_ID}
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned int exit_reason;\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned long guest_rip;\toffset:16;\tsize:8;\tsigned:0;
\tfield:u32 isa;\toffset:24;\tsize:4;\tsigned:0;

print fmt: ""
`,
  `name: kvm_entry
ID: ${ENTRY_ID}
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned long rip;\toffset:16;\tsize:8;\tsigned:0;

print fmt: ""
`,
];

export function perfEncoder(options: PerfOptions) {
  const bytes = perfBytes(options.little);
  const { num, record } = bytes;
  const encode = (r: PerfRecord | null) => encodeRecord(bytes, options, r);
  return {
    encode,
    records: (stream: Stream) => Buffer.concat(stream.map(encode)),
    compressed: (stream: Stream, cut: number, newType: boolean) => {
      const whole = Buffer.concat(stream.filter((r) => r !== null).map(encode));
      return compressed(bytes, whole, cut, newType);
    },
    file: (records: Buffer, features: ReadonlyMap<number, Buffer> = new Map()) =>
      file(bytes, options, records, features),
    pipe: (data: Buffer) => pipe(bytes, options, data),
    num,
    record,
    samplesKnowForeign: options.identifier,
  };
}

/** Attributes, each with the id of its samples. */
function attrsOf({ num }: PerfBytes, options: PerfOptions): [Buffer, number][] {
  const flags = Buffer.alloc(8);
  // sample_id_all is bit 18; a big-endian recorder fills bit-fields from the other end of each byte.
  flags[2] = options.little ? 1 << 2 : 1 << 5;
  const attr = (type: number, config: number, fields: number) =>
    Buffer.concat([
      num(4, type),
      num(4, 128),
      num(8, config),
      num(8, 1),
      num(8, fields),
      num(8, options.readFormat ?? 4),
      flags,
      Buffer.alloc(80),
    ]);
  const fields = sampleType(options);
  // Without IDENTIFIER samples of attrs with other fields could not be told apart: perf sets it then.
  return [
    [attr(2, EXIT_ID, fields), SAMPLE_IDS.exit],
    [attr(2, ENTRY_ID, fields), SAMPLE_IDS.entry],
    ...(options.exitTwice ? [[attr(2, EXIT_ID, fields), SAMPLE_IDS.exitAgain] as [Buffer, number]] : []),
    ...(options.identifier
      ? [[attr(1, 9, foreignType(options)), SAMPLE_IDS.foreign] as [Buffer, number]]
      : []),
  ];
}

function tracingData({ num }: PerfBytes, little: boolean): Buffer {
  const sized = (value: string) => [num(8, Buffer.byteLength(value)), Buffer.from(value)];
  return Buffer.concat([
    Buffer.from([0x17, 8, 0x44]),
    Buffer.from('tracing0.6\0'),
    Buffer.from([little ? 0 : 1, 8]),
    num(4, 4096),
    Buffer.from('header_page\0'),
    ...sized(''),
    Buffer.from('header_event\0'),
    ...sized(''),
    num(4, 0),
    num(4, 1),
    Buffer.from('kvm\0'),
    num(4, FORMATS.length),
    ...FORMATS.flatMap(sized),
    num(4, 0),
    num(4, 0),
    ...sized('77 stale\n'),
  ]);
}

/** A feature's text. */
function string({ num, text }: PerfBytes, value: string): Buffer {
  const bytes = text(value, 64);
  return Buffer.concat([num(4, bytes.length), bytes]);
}

/** zstd frame of raw blocks: a window of 1 MiB, no size, no end. */
function compress(plain: Buffer, cuts: readonly number[]): Buffer[] {
  const payloads: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts, plain.length]) {
    const end = Math.min(plain.length, Math.max(at, cut));
    if (end === at) continue;
    const size = end - at;
    const header = Buffer.alloc(3);
    header.writeUIntLE(size << 3, 0, 3);
    payloads.push(Buffer.concat([header, plain.subarray(at, end)]));
    at = end;
  }
  if (payloads.length > 0)
    payloads[0] = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3]), payloads[0]]);
  return payloads;
}

/** Kernel records compressed: they are cut at arbitrary bytes, also inside of records and of zstd blocks. */
function compressed({ num, record }: PerfBytes, whole: Buffer, cut: number, newType: boolean): Buffer {
  const out: Buffer[] = [];
  const cuts = Array.from({ length: Math.floor(whole.length / cut) }, (_, i) => (i + 1) * cut);
  let rest = Buffer.concat(compress(whole, cuts));
  // Pieces that have nothing to do with the blocks' bounds.
  const piece = Math.max(20, Math.floor(cut * 0.7));
  while (rest.length > 0) {
    const part = rest.subarray(0, piece);
    rest = rest.subarray(part.length);
    if (!newType) out.push(record(81, 0, part));
    else {
      const pad = Buffer.alloc((8 - (part.length % 8)) % 8);
      out.push(record(83, 0, num(8, part.length), part, pad));
    }
  }
  return Buffer.concat(out);
}

/** perf's FINISHED_INIT stands in front: data of size 0 would mean that perf was killed. */
function file(
  bytes: PerfBytes,
  options: PerfOptions,
  records: Buffer,
  features: ReadonlyMap<number, Buffer>,
): Buffer {
  const { num, record } = bytes;
  const { little } = options;
  const attrs = attrsOf(bytes, options);
  const data = Buffer.concat([record(82, 0), records]);
  const all = new Map([
    [1, tracingData(bytes, little)],
    [3, string(bytes, 'host')],
    [4, string(bytes, '6.1.0')],
    [6, string(bytes, 'x86_64')],
    ...features,
  ]);
  const ids = Buffer.concat(attrs.map(([, id]) => num(8, id)));
  const attrsAt = 104 + ids.length;
  const table = Buffer.concat(attrs.flatMap(([attr], i) => [attr, num(8, 104 + 8 * i), num(8, 8)]));
  const dataAt = attrsAt + table.length;
  const bits = [...all.keys()].sort((a, b) => a - b);
  let at = dataAt + data.length + 16 * bits.length;
  const index = Buffer.concat(
    bits.flatMap((bit) => {
      const size = all.get(bit)!.length;
      at += size;
      return [num(8, at - size), num(8, size)];
    }),
  );
  const map = Buffer.alloc(32);
  for (const bit of bits) map[little ? bit >> 3 : (bit >> 6) * 8 + 7 - ((bit & 63) >> 3)] |= 1 << (bit & 7);
  return Buffer.concat([
    Buffer.from(little ? 'PERFILE2' : '2ELIFREP'),
    num(8, 104),
    num(8, 144),
    num(8, attrsAt),
    num(8, table.length),
    num(8, dataAt),
    num(8, data.length),
    num(8, 0),
    num(8, 0),
    map,
    ids,
    table,
    data,
    index,
    ...bits.map((bit) => all.get(bit)!),
  ]);
}

function pipe(bytes: PerfBytes, options: PerfOptions, data: Buffer): Buffer {
  const { num, record } = bytes;
  const { little } = options;
  const blob = tracingData(bytes, little);
  const pad = Buffer.alloc((8 - (blob.length % 8)) % 8);
  return Buffer.concat([
    Buffer.from(little ? 'PERFILE2' : '2ELIFREP'),
    num(8, 16),
    ...attrsOf(bytes, options).map(([attr, id]) => record(64, 0, attr, num(8, id))),
    record(80, 0, num(8, 3), string(bytes, 'host')),
    record(80, 0, num(8, 4), string(bytes, '6.1.0')),
    record(66, 0, num(4, blob.length + pad.length), num(4, 0)),
    blob,
    pad,
    data,
  ]);
}
