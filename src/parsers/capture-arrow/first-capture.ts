/**
 * Captures joined by cat: an Arrow file is read from its end, and so the last one's footer would be taken for places
 * in the first one. What is read is the first, as in every other format.
 */
import type { Diagnostics } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { findRecording, noteFollowing } from '../following-recording.ts';
import { FIRST_MESSAGE, METADATA_LIMIT, readFooter, readMessage } from './message.ts';

/** Most bytes between the messages and the footer: the mark of the stream's end is 8, some writers align to 64. */
const LARGEST_GAP = 64;

/** The source up to where another recording begins behind the first capture; usually all of it. */
export function firstCapture(source: ByteSource, diagnostics: Diagnostics): ByteSource {
  if (isOne(source)) return source;
  const from = endOfMessages(source);
  const next = findRecording(source, from, from + METADATA_LIMIT);
  if (next < 0) return source;
  noteFollowing(diagnostics, next);
  return {
    ...source,
    size: next,
    readAt: (position, target, offset, length) =>
      position >= next ? 0 : source.readAt(position, target, offset, Math.min(length, next - position)),
  };
}

/** Whether the footer at the end goes with the messages in front of it. */
function isOne(source: ByteSource): boolean {
  try {
    return readFooter(source).gap <= LARGEST_GAP;
  } catch (error) {
    if (error instanceof TraceFormatError) return false;
    throw error;
  }
}

/** End of the stream of messages; where that is cut, the start of its last one, which may reach into what follows. */
function endOfMessages(source: ByteSource): number {
  let last = FIRST_MESSAGE;
  try {
    for (let offset = last; ; ) {
      const message = readMessage(source, offset, 'stream');
      if (message === null) return offset;
      last = offset;
      offset = message.bodyOffset + message.bodyLength;
    }
  } catch (error) {
    if (error instanceof TraceFormatError) return last;
    throw error;
  }
}
