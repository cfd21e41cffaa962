// trace.dat, version 6 and uncompressed version 7: every CPU's pages again and again with their page times moved
// (the events inside a page are relative to it), and the places that say where the pages are.
// Layouts: trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5).

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { readPages } from './ring-page.mjs';
import { timeSpan, UnsuitableSample, writeAll, writeCopies } from './template.mjs';

const MAGIC = '\x17\x08Dtracing';
const OPTION_DONE = 0;
const OPTION_BUFFER = 3;
/** v7 options whose data begins with the offset of a section */
const SECTION_OPTIONS = new Set([3, 16, 17, 18, 19, 20, 21, 22, 23, 25]);

/** Where one CPU's pages are, and where the file says so.
 * @typedef {{ offset: number, size: number, entryAt: number }} CpuData */

/** A place in the file holding an offset that moves with what it points to.
 * @typedef {{ at: number, value: number }} Pointer */

/** @param {Uint8Array} head */
export function isTraceDat(head) {
  return Buffer.from(head.subarray(0, 10)).toString('latin1') === MAGIC;
}

/**
 * @param {Buffer} file
 * @returns {import('./template.mjs').Plan}
 */
export function planTraceDat(file) {
  const version = cString(file, 10);
  if (file[12] !== 0) throw new UnsuitableSample('big-endian trace.dat');
  if (version !== '6' && version !== '7') throw new UnsuitableSample(`trace.dat version ${version}`);
  const layout = version === '6' ? readV6(file) : readV7(file);
  const cpus = layout.cpus.filter(({ size }) => size > 0).sort((a, b) => a.offset - b.offset);
  if (cpus.length === 0) throw new UnsuitableSample('trace.dat without data');

  const span = timeSpan();
  const dataOffset = pageDataOffset(file.subarray(0, cpus[0].offset).toString('latin1'));
  const data = cpus.map((cpu) => {
    if (cpu.size % layout.pageSize) throw new UnsuitableSample('trace.dat with an incomplete page');
    const bytes = file.subarray(cpu.offset, cpu.offset + cpu.size);
    return { ...cpu, ...readPages(bytes, layout.pageSize, dataOffset, span.add) };
  });
  const begin = cpus[0].offset;
  const end = Math.max(...cpus.map(({ offset, size }) => offset + size));
  const pageBytes = data.reduce((sum, { size }) => sum + size, 0);

  return {
    format: `trace.dat v${version}`,
    events: data.reduce((sum, { events }) => sum + events, 0),
    firstNs: span.firstNs,
    lastNs: span.lastNs,
    fixedBytes: file.length - pageBytes,
    copyBytes: pageBytes,
    write(fd, copies, periodNs) {
      const grow = pageBytes * copies - (end - begin);
      const fixed = Buffer.concat([file.subarray(0, begin), file.subarray(end)]);
      /** @param {number} at place in the file @param {number} value */
      const put = (at, value) => fixed.writeBigUInt64LE(BigInt(value), at < begin ? at : at - (end - begin));
      for (const { at, value } of layout.pointers) put(at, value < end ? value : value + grow);
      if (layout.sectionSizeAt)
        put(layout.sectionSizeAt, Number(file.readBigUInt64LE(layout.sectionSizeAt)) + grow);
      let offset = begin;
      for (const { entryAt, size } of data) {
        put(entryAt, offset);
        put(entryAt + 8, size * copies);
        offset += size * copies;
      }
      writeAll(fd, fixed.subarray(0, begin));
      for (const cpu of data) {
        const bytes = Buffer.from(file.subarray(cpu.offset, cpu.offset + cpu.size));
        writeCopies(fd, { bytes, stamps: cpu.stamps }, copies, periodNs);
      }
      writeAll(fd, fixed.subarray(begin));
    },
  };
}

/** @param {Buffer} file */
function readV6(file) {
  const pageSize = file.readUInt32LE(14);
  let at = 18;
  const count = () => {
    at += 4;
    return file.readUInt32LE(at - 4);
  };
  const skipText32 = () => {
    at += 4 + file.readUInt32LE(at);
  };
  const skipText64 = () => {
    at += 8 + Number(file.readBigUInt64LE(at));
  };
  at += 'header_page\0'.length;
  skipText64();
  at += 'header_event\0'.length;
  skipText64();
  for (let formats = count(); formats > 0; formats--) skipText64();
  for (let systems = count(); systems > 0; systems--) {
    at += cString(file, at).length + 1;
    for (let formats = count(); formats > 0; formats--) skipText64();
  }
  skipText32(); // kallsyms
  skipText32(); // printk formats
  skipText64(); // saved_cmdlines
  const cpuCount = count();
  for (;;) {
    const tag = file.toString('latin1', at, at + 10);
    at += 10;
    if (tag === 'flyrecord\0') break;
    if (tag !== 'options  \0') throw new UnsuitableSample('trace.dat v6 without ring-buffer data');
    for (;;) {
      const id = file.readUInt16LE(at);
      at += 2;
      if (id === OPTION_DONE) break;
      if (id === OPTION_BUFFER) throw new UnsuitableSample('trace.dat with trace instances');
      skipText32();
    }
  }
  const cpus = [];
  for (let cpu = 0; cpu < cpuCount; cpu++, at += 16) cpus.push(cpuData(file, at));
  return { pageSize, cpus, pointers: /** @type {Pointer[]} */ ([]), sectionSizeAt: 0 };
}

/** @param {Buffer} file */
function readV7(file) {
  let at = 18;
  const compression = cString(file, at);
  if (compression !== 'none') throw new UnsuitableSample(`trace.dat v7 compressed with ${compression}`);
  at += compression.length + 1;
  at += cString(file, at).length + 1;
  /** @type {Pointer[]} */
  const pointers = [];
  /** @type {CpuData[]} */
  let cpus = [];
  let pageSize = file.readUInt32LE(14);
  let sectionSizeAt = 0;
  const follow = (/** @type {number} */ place) => {
    const value = Number(file.readBigUInt64LE(place));
    pointers.push({ at: place, value });
    return value;
  };
  for (let options = follow(at); options !== 0; ) {
    const end = options + 16 + Number(file.readBigUInt64LE(options + 8));
    let next = 0;
    for (let entry = options + 16; entry < end; ) {
      const id = file.readUInt16LE(entry);
      const data = entry + 6;
      entry = data + file.readUInt32LE(entry + 2);
      if (id === OPTION_DONE) {
        next = follow(data);
        break;
      }
      if (SECTION_OPTIONS.has(id)) follow(data);
      if (id === OPTION_BUFFER) {
        const buffer = readV7Buffer(file, data);
        if (buffer.cpus.length > 0 && cpus.length > 0)
          throw new UnsuitableSample('trace.dat with trace instances');
        if (buffer.cpus.length > 0) ({ cpus, pageSize, sectionSizeAt } = buffer);
      }
    }
    options = next;
  }
  // a zero offset (no next OPTIONS section) stays zero: it is below every data page
  return { pageSize, cpus, pointers, sectionSizeAt };
}

/** BUFFER option: u64 section, name, clock, u32 page size, u32 CPUs, {u32 cpu, u64 offset, u64 size} each.
 * @param {Buffer} file @param {number} at */
function readV7Buffer(file, at) {
  const section = Number(file.readBigUInt64LE(at));
  let p = at + 8;
  p += cString(file, p).length + 1;
  p += cString(file, p).length + 1;
  const pageSize = file.readUInt32LE(p);
  const count = file.readUInt32LE(p + 4);
  const cpus = [];
  for (let i = 0; i < count; i++) cpus.push(cpuData(file, p + 8 + 20 * i + 4));
  return { pageSize, cpus: cpus.filter(({ size }) => size > 0), sectionSizeAt: section + 8 };
}

/** @param {Buffer} file @param {number} entryAt of {u64 offset, u64 size} @returns {CpuData} */
function cpuData(file, entryAt) {
  const offset = Number(file.readBigUInt64LE(entryAt));
  const size = Number(file.readBigUInt64LE(entryAt + 8));
  if (offset + size > file.length) throw new UnsuitableSample('trace.dat that is cut off');
  return { offset, size, entryAt };
}

/** Offset of the events in a page, from the header_page text in front of everything else.
 * @param {string} head */
function pageDataOffset(head) {
  const match = /field:\s*char data;\s*offset:(\d+);/.exec(head);
  return match ? Number(match[1]) : 16;
}

/** @param {Buffer} file @param {number} at */
function cString(file, at) {
  const end = file.indexOf(0, at);
  if (end < 0 || end - at > 4096) throw new UnsuitableSample(`trace.dat with a broken name at byte ${at}`);
  return file.toString('latin1', at, end);
}

/** The one compressor that is sure to write what trace-cmd reads is trace-cmd.
 * @param {string} plain removed afterwards @param {string} output */
export function convertToZstd(plain, output) {
  const args = ['convert', '-i', plain, '-o', output, '--file-version', '7', '--compression', 'zstd'];
  const run = spawnSync('trace-cmd', args, { encoding: 'utf8' });
  rmSync(plain, { force: true });
  if (run.error) throw new UnsuitableSample('zstd needs trace-cmd, which is not installed');
  if (run.status !== 0)
    throw new UnsuitableSample(`trace-cmd convert failed: ${run.stderr.trim().split('\n').at(-1)}`);
}
