// ftrace's text (trace_pipe, trace): every line again, with its seconds rewritten in place. The seconds field is
// made as wide as the last copy needs and padded with spaces, as the kernel does ("%5lu").
// Lines without a time stamp (headers, LOST marks) are repeated as they are; leading comment lines come once.

import { timeSpan, UnsuitableSample, writeAll } from './template.mjs';

// "comm-TID (TGID) [CPU] flags seconds.fraction: "; TGID and flags are optional
const LINE = /-\d+\s+(?:\([\s\d-]+\)\s+)?\[\d{3,}\](?:\s+\S{4,7}(?=\s))?(\s+)(\d+)\.(\d{6}|\d{9}): /;

const NEWLINE = 10;

/** @param {Uint8Array} head */
export function isFtraceText(head) {
  const text = Buffer.from(head).toString('latin1');
  return text.split('\n', 200).some((line) => LINE.test(line));
}

/**
 * @param {Buffer} file
 * @returns {import('./template.mjs').Plan}
 */
export function planFtraceText(file) {
  const span = timeSpan();
  const lines = splitLines(file);
  let body = 0;
  while (body < lines.length && lines[body][0] === 0x23) body++;
  const head = Buffer.concat(lines.slice(0, body));
  let unit = 0n;
  const stamped = lines.slice(body).map((line) => {
    const text = line.toString('latin1');
    const match = LINE.exec(text);
    if (!match) return { line, at: -1, until: -1, ticks: 0n };
    const perSecond = 10n ** BigInt(match[3].length);
    if (unit !== 0n && unit !== perSecond) throw new UnsuitableSample('text with two kinds of time stamps');
    unit = perSecond;
    const until = match.index + match[0].length - 2;
    // no more than the kernel's own five columns, so that a single copy equals its base
    const columns = Math.max(match[2].length, Math.min(5, match[1].length - 1 + match[2].length));
    const at = until - match[3].length - 1 - columns;
    const ticks = BigInt(match[2]) * perSecond + BigInt(match[3]);
    span.add((ticks * 1_000_000_000n) / perSecond);
    return { line, at, until, ticks };
  });
  const events = stamped.filter(({ at }) => at >= 0).length;
  if (events === 0) throw new UnsuitableSample('text without event lines');

  return {
    format: 'ftrace-text',
    events,
    firstNs: span.firstNs,
    lastNs: span.lastNs,
    fixedBytes: head.length,
    copyBytes: file.length - head.length,
    write(fd, copies, periodNs) {
      const period = (periodNs * unit) / 1_000_000_000n;
      const digits = String(unit).length - 1;
      const lastSeconds = span.lastNs / 1_000_000_000n + (period * BigInt(copies)) / unit;
      const width = Math.max(5, String(lastSeconds).length);
      writeAll(fd, head);
      const { bytes, places, ticks } = layOut(stamped, width + 1 + digits);
      const perSecond = Number(unit);
      const step = Number(period);
      for (let copy = 0; copy < copies; copy++) {
        for (let i = 0; i < places.length; i++) {
          putStamp(bytes, places[i], width, digits, perSecond, ticks[i] + copy * step);
        }
        writeAll(fd, bytes);
      }
    },
  };
}

/** @param {Buffer} file */
function splitLines(file) {
  const lines = [];
  for (let at = 0; at < file.length; ) {
    const newline = file.indexOf(NEWLINE, at);
    const end = newline < 0 ? file.length : newline + 1;
    lines.push(file.subarray(at, end));
    at = end;
  }
  return lines;
}

/** All lines joined, each stamp field `width` bytes wide; ticks of realistic clocks fit a double exactly.
 * @param {{ line: Buffer, at: number, until: number, ticks: bigint }[]} stamped
 * @param {number} width
 */
function layOut(stamped, width) {
  const pieces = [];
  const places = [];
  const ticks = [];
  let length = 0;
  for (const { line, at, until, ticks: t } of stamped) {
    if (at < 0) {
      pieces.push(line);
      length += line.length;
      continue;
    }
    pieces.push(line.subarray(0, at), Buffer.alloc(width, 0x20), line.subarray(until));
    places.push(length + at);
    ticks.push(Number(t));
    length += at + width + line.length - until;
  }
  return { bytes: Buffer.concat(pieces, length), places, ticks };
}

/** @param {Buffer} bytes @param {number} at @param {number} width of the seconds @param {number} digits
 * @param {number} perSecond @param {number} ticks */
function putStamp(bytes, at, width, digits, perSecond, ticks) {
  let seconds = Math.floor(ticks / perSecond);
  let fraction = ticks - seconds * perSecond;
  for (let i = at + width + digits; i > at + width; i--) {
    bytes[i] = 0x30 + (fraction % 10);
    fraction = Math.floor(fraction / 10);
  }
  bytes[at + width] = 0x2e;
  for (let i = at + width - 1; i >= at; i--) {
    bytes[i] = seconds > 0 || i === at + width - 1 ? 0x30 + (seconds % 10) : 0x20;
    seconds = Math.floor(seconds / 10);
  }
}
