/**
 * Builds perf.data in every container from a list of records, by the descriptions of the format
 * (tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h) and without any of the
 * parser's code.
 */

export interface PerfRecord {
  readonly kind:
    | 'exit'
    | 'exitAgain'
    | 'entry'
    | 'foreign'
    | 'lost'
    | 'lostSamples'
    | 'comm'
    | 'fork'
    | 'mmap';
  readonly time: bigint;
  readonly cpu: number;
  readonly pid: number;
  readonly tid: number;
  /** Exit reason, or how many were lost. */
  readonly value: number;
  readonly rip: bigint;
  readonly name: string;
  /** With PerfOptions.readFormat: counts of exits, of entries and of the dummy. */
  readonly counts?: readonly [number, number, number];
}

export interface PerfOptions {
  readonly little: boolean;
  /** Sample fields besides TID, TIME and RAW. */
  readonly identifier: boolean;
  readonly ip: boolean;
  readonly cpu: boolean;
  readonly period: boolean;
  /** Frames of each sample's callchain, null without. */
  readonly callchain: number | null;
  /** kvm_exit was switched on twice: its second attr's samples are of kind `exitAgain`. */
  readonly exitTwice?: boolean;
  /** Samples hold counts (PERF_SAMPLE_READ) in this form: PERF_FORMAT_* bits. */
  readonly readFormat?: number;
}

export const PLAIN: PerfOptions = {
  little: true,
  identifier: true,
  ip: true,
  cpu: true,
  period: true,
  callchain: null,
};

/** null: FINISHED_ROUND. */
export type Stream = readonly (PerfRecord | null)[];

const EXIT_ID = 1473;
const ENTRY_ID = 1482;
const SAMPLE_IDS = { exit: 11, entry: 12, foreign: 13, exitAgain: 14 };

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
  const { little } = options;
  const num = (size: 2 | 4 | 8, value: number | bigint): Buffer => {
    const bytes = Buffer.alloc(size);
    const wrapped = BigInt.asUintN(8 * size, BigInt(value));
    if (size === 8) little ? bytes.writeBigUInt64LE(wrapped) : bytes.writeBigUInt64BE(wrapped);
    else if (size === 4) little ? bytes.writeUInt32LE(Number(wrapped)) : bytes.writeUInt32BE(Number(wrapped));
    else little ? bytes.writeUInt16LE(Number(wrapped)) : bytes.writeUInt16BE(Number(wrapped));
    return bytes;
  };
  const text = (value: string, align = 8) => {
    const bytes = Buffer.from(`${value}\0`);
    return Buffer.concat([bytes, Buffer.alloc((align - (bytes.length % align)) % align)]);
  };
  const record = (type: number, misc: number, ...body: Buffer[]) => {
    const content = Buffer.concat(body);
    return Buffer.concat([num(4, type), num(2, misc), num(2, 8 + content.length), content]);
  };

  const sampleType =
    (options.identifier ? 1 << 16 : 0) |
    (options.ip ? 1 : 0) |
    2 |
    4 |
    (options.cpu ? 128 : 0) |
    (options.period ? 256 : 0) |
    (options.readFormat === undefined ? 0 : 16) |
    (options.callchain === null ? 0 : 32) |
    1024;
  /** The dummy that carries side-band records: no tracepoint, no raw data. */
  const foreignType = sampleType & ~1024 & ~32 & ~16;
  const sampleIds = (r: PerfRecord, id: number) => [
    num(4, r.pid),
    num(4, r.tid),
    num(8, r.time),
    ...(options.cpu ? [num(4, r.cpu), num(4, 0)] : []),
    ...(options.identifier ? [num(8, id)] : []),
  ];

  function encode(r: PerfRecord | null): Buffer {
    if (r === null) return record(68, 0);
    const sample = (id: number, ...rest: Buffer[]) =>
      record(
        9,
        1,
        ...(options.identifier ? [num(8, id)] : []),
        ...(options.ip ? [num(8, 0xffffffff81000000n)] : []),
        num(4, r.pid),
        num(4, r.tid),
        num(8, r.time),
        ...(options.cpu ? [num(4, r.cpu), num(4, 0)] : []),
        ...(options.period ? [num(8, 1)] : []),
        ...rest,
      );
    // include/uapi/linux/perf_event.h, struct read_format: of a group all members, else the event itself.
    const read = () => {
      const { readFormat = 0 } = options;
      if (readFormat === 0) return [];
      const times = [1, 2].filter((bit) => readFormat & bit).map((bit) => num(8, 1000 + bit));
      const ids = [SAMPLE_IDS.exit, SAMPLE_IDS.entry, SAMPLE_IDS.foreign];
      const members = (r.counts ?? [1, 0, 0]).map((value, i) => [
        num(8, value),
        ...(readFormat & 4 ? [num(8, ids[i])] : []),
        ...(readFormat & 16 ? [num(8, 55)] : []),
      ]);
      return readFormat & 8
        ? [num(8, members.length), ...times, ...members.flat()]
        : [members[0][0], ...times, ...members[0].slice(1)];
    };
    const chain =
      options.callchain === null
        ? read()
        : [
            ...read(),
            num(8, options.callchain),
            ...Array.from({ length: options.callchain }, (_, i) => num(8, i)),
          ];
    const common = (id: number) => [num(2, id), num(2, 0), num(4, r.tid)];
    switch (r.kind) {
      case 'exit':
      case 'exitAgain': {
        const raw = [...common(EXIT_ID), num(4, r.value), num(4, 0), num(8, r.rip), num(4, 1), num(8, 0)];
        return sample(SAMPLE_IDS[r.kind], ...chain, num(4, 36), ...raw);
      }
      case 'entry':
        return sample(
          SAMPLE_IDS.entry,
          ...chain,
          num(4, 28),
          ...common(ENTRY_ID),
          num(4, 3),
          num(4, 0),
          num(8, r.rip),
          num(4, 0),
        );
      case 'foreign':
        return sample(SAMPLE_IDS.foreign);
      case 'lost':
        return record(2, 0, num(8, SAMPLE_IDS.exit), num(8, r.value), ...sampleIds(r, SAMPLE_IDS.exit));
      case 'lostSamples':
        // perf makes it when it ends: at time 0.
        return record(13, 0, num(8, r.value), ...sampleIds({ ...r, time: 0n }, SAMPLE_IDS.exit));
      case 'comm':
        return record(3, 0, num(4, r.pid), num(4, r.tid), text(r.name), ...sampleIds(r, SAMPLE_IDS.foreign));
      case 'fork':
        return record(
          7,
          0,
          num(4, r.pid),
          num(4, r.pid),
          num(4, r.tid),
          num(4, r.value),
          num(8, r.time),
          ...sampleIds(r, SAMPLE_IDS.foreign),
        );
      default:
        return record(
          10,
          0,
          num(4, r.pid),
          num(4, r.tid),
          Buffer.alloc(56),
          text(r.name),
          ...sampleIds(r, SAMPLE_IDS.foreign),
        );
    }
  }

  const flags = () => {
    // sample_id_all is bit 18; a big-endian recorder fills bit-fields from the other end of each byte.
    const bytes = Buffer.alloc(8);
    bytes[little ? 2 : 2] = little ? 1 << 2 : 1 << 5;
    return bytes;
  };
  const attr = (type: number, config: number, fields: number) =>
    Buffer.concat([
      num(4, type),
      num(4, 128),
      num(8, config),
      num(8, 1),
      num(8, fields),
      num(8, options.readFormat ?? 4),
      flags(),
      Buffer.alloc(80),
    ]);
  // Without IDENTIFIER samples of attrs with other fields could not be told apart: perf sets it then.
  const attrs: [Buffer, number][] = [
    [attr(2, EXIT_ID, sampleType), SAMPLE_IDS.exit],
    [attr(2, ENTRY_ID, sampleType), SAMPLE_IDS.entry],
    ...(options.exitTwice ? [[attr(2, EXIT_ID, sampleType), SAMPLE_IDS.exitAgain] as [Buffer, number]] : []),
    ...(options.identifier ? [[attr(1, 9, foreignType), SAMPLE_IDS.foreign] as [Buffer, number]] : []),
  ];

  const tracingData = () => {
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
  };
  const string = (value: string) => {
    const bytes = text(value, 64);
    return Buffer.concat([num(4, bytes.length), bytes]);
  };

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

  /**
   * The stream with its kernel records compressed: a piece between rounds is cut at arbitrary bytes, also inside of
   * records and of zstd blocks.
   */
  function compressed(stream: Stream, cut: number, newType: boolean): Buffer {
    const out: Buffer[] = [];
    const whole = Buffer.concat(stream.filter((r) => r !== null).map(encode));
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

  const records = (stream: Stream) => Buffer.concat(stream.map(encode));

  /** perf's FINISHED_INIT stands in front: data of size 0 would mean that perf was killed. */
  function file(records: Buffer, features: ReadonlyMap<number, Buffer> = new Map()): Buffer {
    const data = Buffer.concat([record(82, 0), records]);
    const all = new Map([
      [1, tracingData()],
      [3, string('host')],
      [4, string('6.1.0')],
      [6, string('x86_64')],
      ...features,
    ]);
    const ids = Buffer.concat(attrs.map(([, id]) => num(8, id)));
    const attrsAt = 104 + ids.length;
    const table = Buffer.concat(attrs.flatMap(([bytes], i) => [bytes, num(8, 104 + 8 * i), num(8, 8)]));
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

  function pipe(data: Buffer): Buffer {
    const blob = tracingData();
    const pad = Buffer.alloc((8 - (blob.length % 8)) % 8);
    return Buffer.concat([
      Buffer.from(little ? 'PERFILE2' : '2ELIFREP'),
      num(8, 16),
      ...attrs.map(([bytes, id]) => record(64, 0, bytes, num(8, id))),
      record(80, 0, num(8, 3), string('host')),
      record(80, 0, num(8, 4), string('6.1.0')),
      record(66, 0, num(4, blob.length + pad.length), num(4, 0)),
      blob,
      pad,
      data,
    ]);
  }

  return { encode, records, compressed, file, pipe, num, record, samplesKnowForeign: options.identifier };
}
