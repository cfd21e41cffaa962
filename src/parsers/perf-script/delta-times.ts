/**
 * `perf script --deltatime` prints in place of the time that since the line before, of whatever CPU and thread
 * (tools/perf/builtin-script.c, perf_sample__fprintf_start). Nothing says so, but perf prints in time order, so real
 * times do not step back, and these do at every other line. They could be summed up only if no line is missing, which
 * cannot be known (grep).
 */
import { LINE_FEED } from '../../core/ascii.ts';
import type { LinePrefix } from '../text/line-prefix.ts';

/** Lines that are looked at. */
const MAX_LINES = 512;

type ParsePrefix = (prefix: LinePrefix, buf: Uint8Array, start: number, end: number) => number;

/** Whether the lines of buf[start, end) have such times; what is behind the last line feed is not looked at. */
export function hasDeltaTimes(
  parsePrefix: ParsePrefix,
  prefix: LinePrefix,
  buf: Uint8Array,
  start: number,
  end: number,
): boolean {
  let lines = 0;
  let steps = 0;
  let first = 0;
  let last = 0;
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (let line = start; lines < MAX_LINES; ) {
    const feed = buf.indexOf(LINE_FEED, line);
    if (feed < 0 || feed >= end) break;
    const at = parsePrefix(prefix, buf, line, feed);
    line = feed + 1;
    if (at < 0 && prefix.record < 0) continue;
    const time = prefix.seconds * 1e9 + prefix.nanoseconds;
    if (lines === 0) first = time;
    // Back to 0: another output of --reltime behind the first one.
    else if (time < last && time > 0) steps++;
    last = time;
    least = Math.min(least, time);
    most = Math.max(most, time);
    lines++;
  }
  if (8 * steps < lines - 1 || steps === 0) return false;
  if (first === 0) return true;
  // Real times in any order (sorted by something else, tail -r) are far from 0, beside the time that they span.
  return steps > 1 && 8 * steps <= 7 * (lines - 1) && most > 2 * least;
}
