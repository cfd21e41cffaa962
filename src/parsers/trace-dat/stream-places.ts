/** Where the pages of each CPU of each buffer lie, after checks that keep memory and time within the file's size. */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { type PagePlace, TRUNCATED } from './page-source.ts';
import { MAX_BUFFERS, type Recording, TOO_MANY_BUFFERS, type TraceBuffer } from './recording.ts';

export interface StreamPlace extends PagePlace {
  /** Index into the recording's buffers. */
  readonly buffer: number;
  readonly cpu: number;
}

/** Sub-buffers of the kernel have at most 2^20 bytes or so; commit words allow for 2^27. */
const MAX_PAGE = 1 << 27;
/** Most CPUs of all buffers: each has a table and a window in memory whose addresses are few. */
const MAX_STREAMS = 1 << 18;

/** In the order in which trace-cmd report prints events of equal time: buffers as listed, then CPU numbers. */
export function placeStreams(
  recording: Recording,
  fileSize: number,
  diagnostics: Diagnostics,
): StreamPlace[] {
  const places: StreamPlace[] = [];
  if (recording.buffers.length > MAX_BUFFERS) {
    note(
      diagnostics,
      'too-many-buffers',
      'data-loss',
      TOO_MANY_BUFFERS,
      recording.buffers.length - MAX_BUFFERS,
    );
    recording.buffers.length = MAX_BUFFERS;
  }
  for (const [index, buffer] of recording.buffers.entries()) {
    const { compressed } = buffer;
    const pageSize = pageSizeOf(recording, buffer);
    if (
      buffer.cpus.length > 0 &&
      (pageSize < recording.layout.dataOffset + 8 || pageSize > MAX_PAGE || pageSize % 4 !== 0)
    ) {
      note(
        diagnostics,
        'damaged-buffer',
        'data-loss',
        `a buffer with pages of ${pageSize} bytes cannot be read`,
      );
      continue;
    }
    for (const { cpu, offset, size } of [...buffer.cpus].sort((a, b) => a.cpu - b.cpu)) {
      const cut = !(offset + size <= fileSize);
      if (cut) note(diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
      // The stated size of compressed data is not to be relied on; the chunks say how far they go.
      const end = compressed ? fileSize : Math.min(offset + size, fileSize);
      const start = Math.min(offset, fileSize);
      places.push({ buffer: index, cpu, offset: start, end, pageSize, compressed, cut });
    }
  }
  if (places.length > MAX_STREAMS) {
    note(
      diagnostics,
      'too-many-cpus',
      'data-loss',
      `CPUs beyond the first ${MAX_STREAMS} were left out`,
      places.length - MAX_STREAMS,
    );
    places.length = MAX_STREAMS;
  }
  return withoutOverlaps(places, diagnostics);
}

/** Version 6 has no place for the size of sub-buffers other than the page's; the description of the page tells. */
function pageSizeOf(recording: Recording, buffer: TraceBuffer): number {
  const { layout, version } = recording;
  const described = layout.dataOffset + layout.dataSize;
  const fits = layout.dataSize > 0 && buffer.cpus.every(({ size }) => size % described === 0);
  return version === 6 && described !== buffer.pageSize && fits ? described : buffer.pageSize;
}

/**
 * Two CPUs cannot share bytes: such tables are damaged, and reading them could take long for a small file. Compressed
 * data ends where the next CPU's begins.
 */
function withoutOverlaps(places: StreamPlace[], diagnostics: Diagnostics): StreamPlace[] {
  const ends = new Map<StreamPlace, number>();
  let last: StreamPlace | null = null;
  for (const place of [...places].sort((a, b) => a.offset - b.offset)) {
    if (last && place.offset < (last.compressed ? last.offset + 1 : last.end)) continue;
    if (last?.compressed) ends.set(last, Math.min(last.end, place.offset));
    ends.set(place, place.end);
    last = place;
  }
  const left = places.length - ends.size;
  if (left > 0)
    note(
      diagnostics,
      'overlapping-data',
      'data-loss',
      "CPUs whose events would lie in the same bytes as another's were left out",
      left,
    );
  return places.flatMap((place) => {
    const end = ends.get(place);
    return end === undefined ? [] : [{ ...place, end }];
  });
}
