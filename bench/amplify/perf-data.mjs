// perf.data in file mode: header · ids · attrs · DATA · feature index · feature bodies.
// DATA is written once as it is, then again without what perf made up at the start (time 0: COMM, FORK, MMAP of the
// running system, id index, maps), with every time moved. FINISHED_ROUND stays where it was: a copy is a set of
// whole rounds, and all of its times are later than the copy before, which is all perf's ordering asks for.
// Layouts: perf.data-file-format.txt and include/uapi/linux/perf_event.h of the kernel (6.1).

import { advance, timeSpan, UnsuitableSample, writeAll, writeCopies } from './template.mjs';

const SAMPLE = 9;
const FORK = 7;
const EXIT = 4;
const THROTTLE = 5;
const UNTHROTTLE = 6;
const FIRST_USER_TYPE = 64;
const FINISHED_ROUND = 68;
const AUXTRACE = 71;
const COMPRESSED = 81;
const COMPRESSED2 = 83;
const FEATURE_SAMPLE_TIME = 21;
const FEATURE_AUXTRACE = 18;

const BIT = { IP: 1n, TID: 2n, TIME: 4n, ID: 64n, CPU: 128n, STREAM_ID: 512n, IDENTIFIER: 65536n };

/** @param {Uint8Array} head */
export function isPerfData(head) {
  return Buffer.from(head.subarray(0, 8)).toString('latin1') === 'PERFILE2';
}

/**
 * @param {Buffer} file the whole base sample
 * @returns {import('./template.mjs').Plan}
 */
export function planPerfData(file) {
  const header = readHeader(file);
  const attrs = readAttrs(file, header);
  const features = readFeatures(file, header);
  if (features.some((f) => f.bit === FEATURE_AUXTRACE))
    throw new UnsuitableSample('perf.data with AUX area traces');

  const { template, samples, span } = readData(file, header, attrs);
  const dataEnd = header.dataOffset + header.dataSize;
  if (samples === 0) throw new UnsuitableSample('perf.data without samples');
  for (const section of [...features, header.attrs]) {
    if (section.offset < dataEnd && section.offset + section.size > header.dataOffset)
      throw new UnsuitableSample('perf.data whose sections overlap its data');
  }

  return {
    format: 'perf.data',
    events: samples,
    firstNs: span.firstNs,
    lastNs: span.lastNs,
    fixedBytes: file.length - template.bytes.length,
    copyBytes: template.bytes.length,
    write(fd, copies, periodNs) {
      const grow = template.bytes.length * (copies - 1);
      const head = Buffer.from(file.subarray(0, header.dataOffset));
      head.writeBigUInt64LE(BigInt(header.dataSize + grow), 48);
      const tail = Buffer.from(file.subarray(dataEnd));
      features.forEach(({ bit, offset, size }, i) => {
        if (offset >= dataEnd) tail.writeBigUInt64LE(BigInt(offset + grow), 16 * i);
        if (bit === FEATURE_SAMPLE_TIME && size >= 16 && offset >= dataEnd) {
          const last = tail.readBigUInt64LE(offset - dataEnd + 8);
          if (last > 0n) tail.writeBigUInt64LE(last + periodNs * BigInt(copies - 1), offset - dataEnd + 8);
        }
      });
      writeAll(fd, head);
      writeAll(fd, file.subarray(header.dataOffset, dataEnd));
      advance(template, periodNs);
      writeCopies(fd, template, copies - 1, periodNs);
      writeAll(fd, tail);
    },
  };
}

/** @param {Buffer} file */
function readHeader(file) {
  if (file.length < 104 || !isPerfData(file)) throw new UnsuitableSample('not a little-endian perf.data');
  const headerSize = u64(file, 8);
  if (headerSize === 16) throw new UnsuitableSample('perf.data in pipe mode (record to a file without -o -)');
  if (headerSize !== 104) throw new UnsuitableSample(`perf.data header of ${headerSize} bytes`);
  const header = {
    attrEntry: u64(file, 16),
    attrs: { offset: u64(file, 24), size: u64(file, 32) },
    dataOffset: u64(file, 40),
    dataSize: u64(file, 48),
    features: file.subarray(72, 104),
  };
  if (header.dataSize === 0 || header.dataOffset + header.dataSize > file.length)
    throw new UnsuitableSample('perf.data that was not finished');
  return header;
}

/** Where the time stands in a SAMPLE of each event id, and how far before the end in all other records.
 * @param {Buffer} file
 * @param {ReturnType<typeof readHeader>} header
 */
function readAttrs(file, header) {
  /** @type {Map<bigint, number>} */
  const timeOffsetOfId = new Map();
  let timeFromEnd = 0;
  let timeOffset = 0;
  let identifier = false;
  const count = Math.floor(header.attrs.size / header.attrEntry);
  for (let i = 0; i < count; i++) {
    const at = header.attrs.offset + i * header.attrEntry;
    const type = file.readBigUInt64LE(at + 24);
    const flags = file.readBigUInt64LE(at + 40);
    if (!(type & BIT.TIME)) throw new UnsuitableSample('perf.data without sample times');
    if (!((flags >> 18n) & 1n)) throw new UnsuitableSample('perf.data without sample_id_all');
    const before = words(type, [BIT.IDENTIFIER, BIT.IP, BIT.TID]);
    const behind = words(type, [BIT.TIME, BIT.ID, BIT.STREAM_ID, BIT.CPU, BIT.IDENTIFIER]);
    // perf itself refuses files whose attrs differ here (evlist__valid_sample_id_all)
    if (i > 0 && behind !== timeFromEnd) throw new UnsuitableSample('perf.data with differing sample ids');
    timeFromEnd = behind;
    identifier = Boolean(type & BIT.IDENTIFIER);
    timeOffset = before;
    const idsAt = u64(file, at + header.attrEntry - 16);
    const idsSize = u64(file, at + header.attrEntry - 8);
    for (let id = 0; id + 8 <= idsSize; id += 8) timeOffsetOfId.set(file.readBigUInt64LE(idsAt + id), before);
  }
  if (count > 1 && !identifier) throw new UnsuitableSample('perf.data with several events and no IDENTIFIER');
  return { timeOffsetOfId, timeFromEnd, timeOffset, identifier };
}

/** One {bit, offset, size} per feature, in index order.
 * @param {Buffer} file
 * @param {ReturnType<typeof readHeader>} header
 */
function readFeatures(file, header) {
  const features = [];
  let at = header.dataOffset + header.dataSize;
  for (let bit = 0; bit < 256; bit++) {
    if (!((header.features[bit >> 3] >> (bit & 7)) & 1)) continue;
    features.push({ bit, offset: u64(file, at), size: u64(file, at + 8) });
    at += 16;
  }
  return features;
}

/** The records worth repeating, joined, with the places of their times.
 * @param {Buffer} file
 * @param {ReturnType<typeof readHeader>} header
 * @param {ReturnType<typeof readAttrs>} attrs
 */
function readData(file, header, attrs) {
  const end = header.dataOffset + header.dataSize;
  const span = timeSpan();
  const stamps = [];
  const pieces = [];
  let length = 0;
  let samples = 0;
  for (let at = header.dataOffset; at < end; ) {
    const type = file.readUInt32LE(at);
    const size = file.readUInt16LE(at + 6);
    if (size < 8 || at + size > end)
      throw new UnsuitableSample(`perf.data with a broken record at byte ${at}`);
    if (type === COMPRESSED || type === COMPRESSED2)
      throw new UnsuitableSample('perf.data compressed with -z');
    if (type === AUXTRACE) throw new UnsuitableSample('perf.data with AUX area traces');

    /** @type {number[]} */
    let times = [];
    if (type === SAMPLE) {
      times = [8 + sampleTimeOffset(file, at, attrs)];
      samples++;
    } else if (type < FIRST_USER_TYPE) {
      times = [size - attrs.timeFromEnd];
      if (type === FORK || type === EXIT) times.push(24);
      if (type === THROTTLE || type === UNTHROTTLE) times.push(8);
    }
    const real = times.filter((t) => file.readBigUInt64LE(at + t) !== 0n);
    if (type === FINISHED_ROUND || real.length > 0) {
      for (const t of real) {
        span.add(file.readBigUInt64LE(at + t));
        stamps.push(length + t);
      }
      pieces.push(file.subarray(at, at + size));
      length += size;
    }
    at += size;
  }
  return { template: { bytes: Buffer.concat(pieces, length), stamps }, samples, span };
}

/** @param {Buffer} file @param {number} at @param {ReturnType<typeof readAttrs>} attrs */
function sampleTimeOffset(file, at, attrs) {
  if (!attrs.identifier) return attrs.timeOffset;
  const id = file.readBigUInt64LE(at + 8);
  const offset = attrs.timeOffsetOfId.get(id);
  if (offset === undefined)
    throw new UnsuitableSample(`perf.data with a sample of unknown id ${id} at byte ${at}`);
  return offset;
}

/** @param {bigint} type @param {bigint[]} bits */
function words(type, bits) {
  return 8 * bits.filter((bit) => type & bit).length;
}

/** @param {Buffer} file @param {number} at */
function u64(file, at) {
  return Number(file.readBigUInt64LE(at));
}
