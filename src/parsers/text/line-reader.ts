/** Lines of a text input out of one reused buffer: memory does not depend on the file or on a line's length. */
import { LINE_FEED } from '../../core/ascii.ts';
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import type { ByteSource } from '../byte-source.ts';
import { type Colours, createColours, stripColours } from './colours.ts';

const CHUNK = 256 * 1024;
/** Longest line that is read; longer ones are skipped and counted. Trace markers end at 4 KiB, or 64 KiB pages. */
export const MAX_LINE = 72 * 1024;
/** Bytes after the data that may be read by a parser that looks a few bytes ahead. */
const PADDING = 256;
const CAPACITY = CHUNK + 2 * MAX_LINE;

export interface LineReader {
  readonly source: ByteSource;
  /** buf[end] is always a line feed (a sentinel, not data). */
  readonly buf: Uint8Array;
  /** The same bytes, for reads of several at once. */
  readonly view: DataView;
  /** First byte that was not consumed. */
  start: number;
  /** End of the data. */
  end: number;
  /** File position up to which it was read: of buf[end], where no colours were taken out. */
  position: number;
  ended: boolean;
  /** The line at `start` is the rest of one that was too long. */
  skipping: boolean;
  readonly colours: Colours;
}

export function createLineReader(source: ByteSource): LineReader {
  const buf = new Uint8Array(CAPACITY + PADDING);
  const reader: LineReader = {
    source,
    buf,
    view: new DataView(buf.buffer),
    start: 0,
    end: 0,
    position: 0,
    ended: false,
    skipping: false,
    colours: createColours(),
  };
  buf[0] = LINE_FEED;
  return reader;
}

/**
 * Reads more data behind `end`; unread bytes may move to the front of the buffer. A line that is too long is dropped:
 * `skipping` is set until its end. Sets `ended` at the end of the input.
 */
export function refill(reader: LineReader): void {
  const { buf, source } = reader;
  if (reader.end - reader.start > MAX_LINE) {
    reader.skipping = true;
    reader.start = reader.end;
  }
  if (CAPACITY - reader.end < CHUNK) {
    buf.copyWithin(0, reader.start, reader.end);
    reader.end -= reader.start;
    reader.start = 0;
  }
  const { colours, end } = reader;
  const held = colours.heldLength;
  buf.set(colours.held.subarray(0, held), end);
  colours.heldLength = 0;
  const got = source.readAt(reader.position, buf, end + held, Math.min(CHUNK - held, CAPACITY - end - held));
  reader.position += got;
  reader.ended = got === 0;
  reader.end = stripColours(colours, buf, end, end + held + got, reader.ended);
  buf[reader.end] = LINE_FEED;
}

/** Says of a whole input that colours were taken out. */
export function noteColours({ colours }: LineReader, diagnostics: Diagnostics): void {
  if (colours.lines > 0)
    note(
      diagnostics,
      'coloured-lines',
      'info',
      'lines with colours of a terminal (grep --color=always and the like) were read without them',
      colours.lines,
    );
}
