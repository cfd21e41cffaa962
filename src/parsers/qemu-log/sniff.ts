/** Is this QEMU's log? By content alone; the file's name is not looked at. */
import { LINE_FEED } from '../../core/ascii.ts';
import { stripHead } from '../text/colours.ts';
import type { Verdict } from '../trace-format.ts';
import { logKind } from './log-kind.ts';

export function sniffQemuLog(head: Uint8Array): Verdict {
  const buf = new Uint8Array(head.length + 64);
  buf.set(head);
  const length = stripHead(buf, head.length);
  buf[length] = LINE_FEED;
  const kind = logKind(buf, 0, length);
  const { threadStamps, dateStamps, known, possible, decoded, others } = kind;
  if (length > 0 && kind.hole === length)
    return {
      confidence: 1,
      reason: 'begins with zero bytes, as a log that was emptied while QEMU went on writing',
    };
  if (kind.binary) return { confidence: 0, reason: 'binary' };
  if (decoded > 0 && decoded >= known + possible)
    return { confidence: 0, reason: 'printed by simpletrace.py: give the binary trace file instead' };
  const stamped = threadStamps + dateStamps;
  if (stamped > 0)
    return {
      confidence: stamped >= 2 || others === 0 ? 2 : 1,
      reason: `${stamped} of ${stamped + known + possible + others} lines are events of QEMU's log with a time`,
    };
  const lines = known + possible + others;
  if (known > 0 && known + possible > others)
    return {
      confidence: known >= 2 ? 2 : 1,
      reason: `${known + possible} of ${lines} lines are QEMU events without time`,
    };
  if (possible >= 3 && possible > 4 * others)
    return { confidence: 1, reason: `${possible} of ${lines} lines could be QEMU events without time` };
  return { confidence: 0, reason: 'no line has the form "TID@SECONDS:EVENT …" or "EVENT …" of QEMU' };
}
