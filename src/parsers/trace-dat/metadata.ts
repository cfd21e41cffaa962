/** Parts that both versions of trace.dat encode alike: the page header's text, thread names. */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { type ThreadTable, threadOf } from '../../core/thread-table.ts';
import { type Cursor, readBlock, readString, readText, readU64 } from './cursor.ts';
import { DEFAULT_LAYOUT, type PageLayout, parsePageLayout } from './page-layout.ts';

export const FORMAT_ID = 'trace.dat';

/** `header_page`, u64 size, text; `header_event`, u64 size, text. */
export function readHeaderInfo(cursor: Cursor, diagnostics: Diagnostics): PageLayout {
  if (readString(cursor) !== 'header_page') throw new RangeError('no header_page');
  const page = readText(cursor, readU64(cursor));
  if (readString(cursor) !== 'header_event') throw new RangeError('no header_event');
  const event = readText(cursor, readU64(cursor));
  if (page === '' || /type\s*:\s*2 bits/.test(event))
    throw new TraceFormatError({
      format: FORMAT_ID,
      section: 'header_page',
      message: 'recorded by a kernel of 2.6.30 or older, whose ring-buffer pages have another form',
      hint: 'print it with trace-cmd report on the host that recorded it and read that text',
    });
  const layout = parsePageLayout(page);
  if (layout) return layout;
  note(
    diagnostics,
    'damaged-page-layout',
    'suspect',
    'the description of the pages cannot be read; the layout of 64-bit kernels was assumed',
  );
  return DEFAULT_LAYOUT;
}

const utf8 = new TextDecoder();

/** saved_cmdlines: u64 size, lines of `PID COMM`. A name may hold blanks, and even a line feed. */
export function readCommandLines(cursor: Cursor, threads: ThreadTable): void {
  let tid = -1;
  const bytes = readBlock(cursor, readU64(cursor));
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  for (const line of utf8.decode(bytes.subarray(0, end)).split('\n')) {
    const match = /^(\d{1,10}) (.*)$/s.exec(line);
    if (match) {
      tid = Number(match[1]);
      // `<...>` is what the kernel prints for names that it has forgotten.
      if (tid > 0 && match[2] !== '<...>') threadOf(threads, tid).comm = match[2];
    } else if (tid > 0 && line !== '') {
      const thread = threads.byTid.get(tid);
      if (thread?.comm) thread.comm = `${thread.comm}\n${line}`.slice(0, 64);
    }
  }
}
