/** Reads one stream of records into the window: as it lies in the file, or unpacked where records are compressed. */
import { note } from '../../core/diagnostics.ts';
import { noteFollowing, startsRecording } from '../following-recording.ts';
import { createZstdStream, pushZstd, type ZstdStream } from '../zstd-stream.ts';
import { type Container, takeContainerRecord } from './container-records.ts';
import {
  FIRST_USER_RECORD,
  HEADER_BYTES,
  LAST_USER_RECORD,
  RECORD_COMPRESSED,
  RECORD_COMPRESSED2,
  RECORD_FINISHED_ROUND,
} from './record-types.ts';
import { type RecordWindow, reserve } from './record-window.ts';

export interface RecordReader {
  readonly container: Container;
  /** Next byte of the source to be read, and where the stream ends (Infinity: with the source). */
  position: number;
  end: number;
  /** Set from the first compressed record on. */
  unpacker: Unpacker | null;
}

/** Records as they lie in the file, from which the compressed ones are unpacked. */
interface Unpacker {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  used: number;
  readonly stream: ZstdStream;
  /** Start of a record whose end lies in the next compressed record. */
  tail: Uint8Array;
  /** The stream is damaged: further compressed records cannot be unpacked. */
  broken: boolean;
}

/** Bytes read at once: few enough to be in the processor's cache when they are walked. */
const CHUNK = 1 << 18;
const LARGEST_RECORD = 65536;
/** Plain bytes of one compressed record where the file states no limit. */
const PLAIN_LIMIT = 64 << 20;
const LARGEST_BLOCK = 1 << 17;

export function createRecordReader(container: Container, position: number, end: number): RecordReader {
  return { container, position, end, unpacker: null };
}

/**
 * A pipe's recording, or one whose recorder died, does not say where it ends: whether another one begins in place of
 * the next record, at which the stream then ends.
 */
export function endAtFollowing(reader: RecordReader, window: RecordWindow): boolean {
  const { bytes, parsed, used } = window;
  if (reader.unpacker || !endAt(reader, bytes, parsed, used)) return false;
  window.used = parsed;
  return true;
}

function endAt(reader: RecordReader, bytes: Uint8Array, at: number, used: number): boolean {
  if (!startsRecording(bytes, at, used)) return false;
  reader.end = reader.position - (used - at);
  noteFollowing(reader.container.state.context.diagnostics, reader.end);
  return true;
}

/** Adds further bytes to the window; false at the end of the stream. */
export function readMore(reader: RecordReader, window: RecordWindow): boolean {
  if (reader.unpacker) return unpackMore(reader, reader.unpacker, window);
  const want = Math.min(CHUNK, reader.end - reader.position);
  if (want <= 0) return false;
  reserve(window, want);
  const got = reader.container.source.readAt(reader.position, window.bytes, window.used, want);
  reader.position += got;
  window.used += got;
  return got > 0;
}

/**
 * Handles the container's record at the window's `parsed`. The first compressed one changes the way of reading: from
 * there on the window gets only what the kernel recorded.
 */
export function passContainerRecord(reader: RecordReader, window: RecordWindow): void {
  const { container } = reader;
  const { little } = container.state;
  const { view, parsed } = window;
  const size = view.getUint16(parsed + 6, little);
  if (reader.unpacker) {
    // Inside of compressed data there is nothing of the container's.
    note(
      container.state.context.diagnostics,
      'unknown-records',
      'suspect',
      'records of a type that perf does not know were left out',
    );
    window.parsed += size;
    return;
  }
  const position = reader.position - (window.used - parsed);
  const type = view.getUint32(parsed, little);
  if (type > LAST_USER_RECORD && endAtFollowing(reader, window)) return;
  if (type === RECORD_COMPRESSED || type === RECORD_COMPRESSED2) {
    const left = Math.min(reader.end, container.source.size ?? CHUNK) - position;
    const bytes = new Uint8Array(Math.max(LARGEST_RECORD, Math.min(CHUNK, left)));
    reader.unpacker = {
      bytes,
      view: new DataView(bytes.buffer),
      at: 0,
      used: 0,
      stream: createZstdStream(),
      tail: new Uint8Array(0),
      broken: false,
    };
    container.state.context.facts.set('compression', 'zstd');
    reader.position = position;
    window.used = parsed;
    return;
  }
  const behind = takeContainerRecord(container, window.bytes, view, parsed, size, position);
  window.parsed += size + behind;
  if (window.parsed > window.used) {
    skip(reader, window.parsed - window.used);
    window.parsed = window.used;
  }
}

/** Passes over bytes that are not in memory. */
function skip(reader: RecordReader, bytes: number): void {
  const { source, state } = reader.container;
  reader.position += bytes;
  if (reader.position > Math.min(reader.end, source.size ?? Infinity))
    note(
      state.context.diagnostics,
      'truncated-file',
      'data-loss',
      'data behind a record reaches beyond the end',
    );
}

/** Copies records to the window until there is something new in it. */
function unpackMore(reader: RecordReader, unpacker: Unpacker, window: RecordWindow): boolean {
  const { container } = reader;
  const { little, context } = container.state;
  const { bytes, view } = unpacker;
  let added = false;
  while (!added) {
    const left = unpacker.used - unpacker.at;
    const size = left >= HEADER_BYTES ? view.getUint16(unpacker.at + 6, little) : LARGEST_RECORD;
    if (size < HEADER_BYTES) {
      if (endAt(reader, bytes, unpacker.at, unpacker.used)) return false;
      note(
        context.diagnostics,
        'damaged-records',
        'data-loss',
        `a record header at byte ${reader.position - left} cannot be one; what follows was left out`,
      );
      return false;
    }
    if (left < size) {
      bytes.copyWithin(0, unpacker.at, unpacker.used);
      unpacker.used = left;
      unpacker.at = 0;
      const want = Math.min(bytes.length - left, reader.end - reader.position);
      const got = want > 0 ? container.source.readAt(reader.position, bytes, left, want) : 0;
      reader.position += got;
      unpacker.used += got;
      if (got > 0) continue;
      if (endAt(reader, bytes, 0, left)) return false;
      if (left > 0 || unpacker.tail.length > 0)
        note(context.diagnostics, 'truncated-file', 'data-loss', 'the last record is cut off');
      return false;
    }
    const { at } = unpacker;
    const type = view.getUint32(at, little);
    if (type > LAST_USER_RECORD && endAt(reader, bytes, at, unpacker.used)) {
      unpacker.at = unpacker.used = 0;
      return false;
    }
    unpacker.at += size;
    if (type === RECORD_COMPRESSED) {
      added = unpack(reader, unpacker, at + HEADER_BYTES, at + size, window);
    } else if (type === RECORD_COMPRESSED2) {
      // u64 size of the data, which is padded to 8 bytes.
      const length = size >= 16 ? Number(view.getBigUint64(at + 8, little)) : 0;
      added = unpack(reader, unpacker, at + 16, Math.min(at + size, at + 16 + length), window);
    } else if (type < FIRST_USER_RECORD || type === RECORD_FINISHED_ROUND) {
      add(window, bytes.subarray(at, at + size));
      added = true;
    } else {
      const behind = takeContainerRecord(container, bytes, view, at, size, reader.position - left);
      unpacker.at += behind;
      if (unpacker.at > unpacker.used) {
        skip(reader, unpacker.at - unpacker.used);
        unpacker.at = unpacker.used = 0;
      }
    }
  }
  return true;
}

/** Unpacks [from, to) to the window: whole records, the start of the next one is kept apart. False: nothing new. */
function unpack(
  reader: RecordReader,
  unpacker: Unpacker,
  from: number,
  to: number,
  window: RecordWindow,
): boolean {
  const { state, mmapLength } = reader.container;
  const { diagnostics } = state.context;
  if (unpacker.broken) {
    note(diagnostics, 'damaged-compression', 'data-loss', '');
    return false;
  }
  // A block may have begun in the record before.
  const limit = Math.min(mmapLength ?? PLAIN_LIMIT, PLAIN_LIMIT) + LARGEST_BLOCK;
  let plain = 0;
  let added = unpacker.tail.length;
  add(window, unpacker.tail);
  try {
    pushZstd(unpacker.stream, unpacker.bytes.subarray(from, to), (data) => {
      plain += data.length;
      if (plain > limit) throw new Error(`more than the ${limit} bytes that one record may hold`);
      added += data.length;
      add(window, data);
    });
  } catch (error) {
    unpacker.broken = true;
    note(
      diagnostics,
      'damaged-compression',
      'data-loss',
      `the compressed stream is damaged before byte ${reader.position - (unpacker.used - unpacker.at)} (${(error as Error).message}): it cannot be read further; what came before was`,
    );
  }
  return keepTail(unpacker, window, window.used - added, state.little);
}

function add(window: RecordWindow, data: Uint8Array): void {
  reserve(window, data.length);
  window.bytes.set(data, window.used);
  window.used += data.length;
}

/** Takes the record that is not whole yet out of the window again; records start at `at`. False: none is. */
function keepTail(unpacker: Unpacker, window: RecordWindow, at: number, little: boolean): boolean {
  const { view, used } = window;
  let end = at;
  while (end + HEADER_BYTES <= used) {
    const size = view.getUint16(end + 6, little);
    // Not a record: the walk over the window will say so.
    if (size < HEADER_BYTES) {
      end = used;
      break;
    }
    if (end + size > used) break;
    end += size;
  }
  unpacker.tail = unpacker.broken ? new Uint8Array(0) : window.bytes.slice(end, used);
  window.used = end;
  return end > at;
}
