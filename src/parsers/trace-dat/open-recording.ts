/** From the magic number to a Recording: the initial header, then the version's own way. */
import { TraceFormatError } from '../../core/errors.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { createCursor, readBlock, readString, readU8, readU32, readU64 } from './cursor.ts';
import { createFormatTexts } from './event-formats.ts';
import { FORMAT_ID } from './metadata.ts';
import { createOptions } from './options.ts';
import { DEFAULT_LAYOUT } from './page-layout.ts';
import { MAX_ENTRIES, MAX_SECTION_BYTES, type Recording } from './recording.ts';
import { readVersion6 } from './version6.ts';
import { readVersion7 } from './version7.ts';

/** 17 08 44 and `tracing`. */
export const MAGIC = Uint8Array.of(0x17, 0x08, 0x44, 0x74, 0x72, 0x61, 0x63, 0x69, 0x6e, 0x67);

/** Reads all that stands before the events. @throws TraceFormatError when events cannot be found or decoded. */
export function openRecording(source: ByteSource, context: TraceContext): Recording {
  try {
    return readInitial(source, context);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TraceFormatError(
      {
        format: FORMAT_ID,
        section: 'header',
        message: `the file is cut off or damaged in its header (${error.message})`,
        hint: 'copy it again',
      },
      { cause: error },
    );
  }
}

function readInitial(source: ByteSource, context: TraceContext): Recording {
  const start = createCursor(source, true);
  const magic = readBlock(start, MAGIC.length);
  if (!MAGIC.every((byte, i) => magic[i] === byte))
    throw new TraceFormatError({
      format: FORMAT_ID,
      section: 'header',
      offset: 0,
      message: 'no trace-cmd magic number',
    });
  const version = readString(start);
  if (version !== '6' && version !== '7')
    throw new TraceFormatError({
      format: FORMAT_ID,
      section: 'header',
      offset: MAGIC.length,
      message: `version ${JSON.stringify(version.slice(0, 16))} is not known`,
      hint: 'versions 6 and 7 are: trace-cmd convert --file-version 7',
    });
  const little = readU8(start) === 0;
  readU8(start); // sizeof(long) of trace-cmd itself, not of the kernel
  const cursor = createCursor(source, little, start.at);
  const recording: Recording = {
    version: version === '6' ? 6 : 7,
    little,
    pageSize: readU32(cursor),
    compression: version === '6' ? 'none' : readString(cursor),
    layout: DEFAULT_LAYOUT,
    formats: createFormatTexts(),
    options: createOptions(),
    buffers: [],
    texts: [],
    entriesLeft: MAX_ENTRIES,
    sectionBytesLeft: MAX_SECTION_BYTES,
    end: 0,
  };
  if (recording.version === 6) readVersion6(cursor, recording, context);
  else {
    readString(cursor); // version of the compression library
    readVersion7(cursor, readU64(cursor), recording, context);
  }
  return recording;
}
