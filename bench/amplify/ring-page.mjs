// A page of ftrace's ring buffer, as far as amplification needs it: where its absolute times stand, how many data
// events it holds, its last time. Layout: kernel Documentation/trace/ring-buffer-map and libtraceevent kbuffer-parse.c.

import { UnsuitableSample } from './template.mjs';

const LENGTH_MASK = 0x07ffffff;
const PADDING = 29;
const TIME_EXTEND = 30;
const TIME_STAMP = 31;

/**
 * @param {Buffer} pages whole pages
 * @param {number} pageSize
 * @param {number} dataOffset start of the events in a page, from header_page
 * @param {(ns: bigint) => void} seen gets every page's first and last time
 * @returns {{ stamps: number[], events: number }} stamps: offsets of the pages' u64 time stamps
 */
export function readPages(pages, pageSize, dataOffset, seen) {
  const stamps = [];
  let events = 0;
  for (let page = 0; page + pageSize <= pages.length; page += pageSize) {
    stamps.push(page);
    let time = pages.readBigUInt64LE(page);
    let at = page + dataOffset;
    const end = Math.min(at + (pages.readUInt32LE(page + 8) & LENGTH_MASK), page + pageSize);
    seen(time);
    while (at + 4 <= end) {
      const word = pages.readUInt32LE(at);
      const kind = word & 31;
      const delta = word >>> 5;
      if (kind === TIME_STAMP)
        throw new UnsuitableSample('trace.dat with absolute time stamps inside its pages');
      if (kind === PADDING && delta === 0) break;
      time += BigInt(delta);
      if (kind === TIME_EXTEND) {
        time += BigInt(pages.readUInt32LE(at + 4)) << 27n;
        at += 8;
      } else if (kind === PADDING) {
        at += 4 + pages.readUInt32LE(at + 4);
      } else {
        events++;
        at += kind > 0 ? 4 + 4 * kind : 4 + ((pages.readUInt32LE(at + 4) + 3) & ~3);
      }
    }
    seen(time);
  }
  return { stamps, events };
}
