/** Which kind of QEMU log a piece of text is, from its lines: for recognising the format and for reading it. */
import { CARRIAGE_RETURN, LINE_FEED } from '../../core/ascii.ts';
import { createEventBatch } from '../../core/event-batch.ts';
import { createTraceContext } from '../../core/trace-context.ts';
import { createQemuText, EVENT_READ, NO_EVENT, readQemuEvent } from '../qemu-events/event-text.ts';
import { skipMarks } from '../text/mail-quotes.ts';
import { createLogPrefix, readDateStamp, readThreadStamp } from './line-prefix.ts';

export interface LogKind {
  /** Events by what stands in front of them. */
  threadStamps: number;
  dateStamps: number;
  /** Without time: events of known form, and lines that could be events. */
  known: number;
  possible: number;
  /** Lines of QEMU's Python decoder for simpletrace files. */
  decoded: number;
  /** Lines that are no events. */
  others: number;
  /** Zero bytes at the start. */
  hole: number;
  binary: boolean;
}

/** Looks at the lines of [start, end); buf[end] must be a line feed. A last line without line feed is not looked at. */
export function logKind(buf: Uint8Array, start: number, end: number): LogKind {
  const kind: LogKind = {
    threadStamps: 0,
    dateStamps: 0,
    known: 0,
    possible: 0,
    decoded: 0,
    others: 0,
    hole: 0,
    binary: false,
  };
  const text = createQemuText(createTraceContext(), null);
  const batch = createEventBatch(1);
  const prefix = createLogPrefix();
  let line = start;
  while (line < end && buf[line] === 0) line++;
  kind.hole = line - start;
  while (line < end) {
    let feed = line;
    let clean = true;
    while (buf[feed] !== LINE_FEED) if (buf[feed++] === 0) clean = false;
    if (feed >= end && kind.threadStamps + kind.dateStamps + kind.known + kind.possible + kind.others > 0)
      break;
    let stop = Math.min(feed, end);
    while (stop > line && buf[stop - 1] === CARRIAGE_RETURN) stop--;
    const at = skipMarks(buf, line, stop);
    if (!clean) kind.binary = true;
    else if (at < stop) {
      const threadAt = readThreadStamp(prefix, buf, at, stop);
      const dateAt = threadAt < 0 ? readDateStamp(prefix, buf, at, stop) : -1;
      const event = Math.max(threadAt, dateAt, at);
      const status = readQemuEvent(text, buf, event, stop, threadAt >= 0, batch, 0);
      if (status === NO_EVENT) kind.others++;
      else if (threadAt >= 0) kind.threadStamps++;
      else if (dateAt >= 0) kind.dateStamps++;
      else if (isDecoded(buf, event, stop)) kind.decoded++;
      else if (status === EVENT_READ) kind.known++;
      else kind.possible++;
    }
    line = feed + 1;
  }
  return kind;
}

/** `NAME 12.345 pid=`: printed by scripts/simpletrace.py. */
function isDecoded(buf: Uint8Array, pos: number, end: number): boolean {
  const text = String.fromCharCode(...buf.subarray(pos, Math.min(end, pos + 96)));
  return /^\w+ -?\d+\.\d{3} pid=/.test(text);
}
