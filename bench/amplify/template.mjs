// The replicated part of a capture: its bytes and where in them the 64-bit time stamps stand. Making the next copy
// is adding one number at these places, so amplification runs at the speed of the disk whatever the format.

import { writeSync } from 'node:fs';

/**
 * @typedef {object} Template
 * @property {Buffer} bytes one copy; advanced in place from copy to copy
 * @property {number[]} stamps byte offsets of little-endian u64 time stamps (ns)
 */

/** What one format's planner says about its base sample.
 * @typedef {object} Plan
 * @property {string} format id, as in kvmtrace's registry
 * @property {number} events events in one copy (what the reference tools count)
 * @property {bigint} firstNs
 * @property {bigint} lastNs
 * @property {number} fixedBytes bytes of the output that do not grow with the copies
 * @property {number} copyBytes bytes each copy adds
 * @property {(fd: number, copies: number, periodNs: bigint) => void} write
 */

/** Says why a base sample cannot be amplified: not a bug, the caller prints it plainly. */
export class UnsuitableSample extends Error {}

/**
 * Add `ns` to every stamp of the template, as two 32-bit words (no BigInt per stamp).
 * @param {Template} template
 * @param {bigint} ns
 */
export function advance(template, ns) {
  const { bytes, stamps } = template;
  const addLo = Number(ns & 0xffffffffn);
  const addHi = Number((ns >> 32n) & 0xffffffffn);
  for (let i = 0; i < stamps.length; i++) {
    const at = stamps[i];
    const lo = bytes.readUInt32LE(at) + addLo;
    const carry = lo > 0xffffffff ? 1 : 0;
    bytes.writeUInt32LE(lo >>> 0, at);
    bytes.writeUInt32LE((bytes.readUInt32LE(at + 4) + addHi + carry) >>> 0, at + 4);
  }
}

/**
 * Write the template `copies` times, each `periodNs` later than the one before.
 * The template ends up advanced by copies × period: use it once.
 * @param {number} fd
 * @param {Template} template
 * @param {number} copies
 * @param {bigint} periodNs
 */
export function writeCopies(fd, template, copies, periodNs) {
  for (let i = 0; i < copies; i++) {
    writeAll(fd, template.bytes);
    advance(template, periodNs);
  }
}

/** writeSync may write less than asked for.
 * @param {number} fd
 * @param {Uint8Array} bytes
 */
export function writeAll(fd, bytes) {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
}

/** Track the span of time stamps of a sample. */
export function timeSpan() {
  let first = -1n;
  let last = -1n;
  return {
    /** @param {bigint} ns */
    add(ns) {
      if (first < 0n || ns < first) first = ns;
      if (ns > last) last = ns;
    },
    get firstNs() {
      return first;
    },
    get lastNs() {
      return last;
    },
  };
}

/** How far apart the copies stand: the base's duration plus its mean distance between events (at least `stepNs`),
 * so that every stamp of a copy is later than every stamp of the copy before.
 * @param {Plan} plan
 * @param {bigint} [stepNs]
 */
export function periodOf(plan, stepNs = 1000n) {
  const span = plan.lastNs - plan.firstNs;
  const mean = span / BigInt(Math.max(1, plan.events));
  const gap = mean > stepNs ? mean : stepNs;
  return ((span + gap + stepNs - 1n) / stepNs) * stepNs;
}
