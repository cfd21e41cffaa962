// QEMU simpletrace, version 4: header · mapping records · event records. Mappings (id → name) are written once, in
// front; event records are repeated with their time moved. A record cut off at the end is left out.
// Layout: scripts/simpletrace.py and trace/simple.c of QEMU.

import { timeSpan, UnsuitableSample, writeAll, writeCopies } from './template.mjs';

const HEADER_ID = 0xffffffffffffffffn;
const MAGIC = 0xf2b177cb0aa429b4n;
const HEADER_BYTES = 24;

/** @param {Uint8Array} head */
export function isSimpletrace(head) {
  if (head.length < HEADER_BYTES) return false;
  const view = Buffer.from(head.buffer, head.byteOffset, HEADER_BYTES);
  return view.readBigUInt64LE(0) === HEADER_ID && view.readBigUInt64LE(8) === MAGIC;
}

/**
 * @param {Buffer} file
 * @returns {import('./template.mjs').Plan}
 */
export function planSimpletrace(file) {
  const version = file.readBigUInt64LE(16);
  if (version !== 4n) throw new UnsuitableSample(`simpletrace version ${version}, only 4 can be amplified`);
  const span = timeSpan();
  const front = [file.subarray(0, HEADER_BYTES)];
  /** @type {Buffer[]} */
  const records = [];
  /** @type {number[]} */
  const stamps = [];
  let length = 0;
  for (let at = HEADER_BYTES; at + 32 <= file.length; ) {
    const mapping = file.readBigUInt64LE(at) === 0n;
    const size = mapping ? 20 + file.readUInt32LE(at + 16) : 8 + file.readUInt32LE(at + 24);
    if (at + size > file.length) break;
    if (!mapping && size < 32) throw new UnsuitableSample(`simpletrace with a broken record at byte ${at}`);
    const record = file.subarray(at, at + size);
    at += size;
    if (mapping) {
      front.push(record);
      continue;
    }
    span.add(record.readBigUInt64LE(16));
    stamps.push(length + 16);
    records.push(record);
    length += size;
  }
  if (records.length === 0) throw new UnsuitableSample('simpletrace without events');
  const head = Buffer.concat(front);
  return {
    format: 'simpletrace',
    events: records.length,
    firstNs: span.firstNs,
    lastNs: span.lastNs,
    fixedBytes: head.length,
    copyBytes: length,
    write(fd, copies, periodNs) {
      const template = { bytes: Buffer.concat(records, length), stamps };
      writeAll(fd, head);
      writeCopies(fd, template, copies, periodNs);
    },
  };
}
