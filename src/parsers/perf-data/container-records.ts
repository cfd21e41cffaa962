/** Records that perf itself wrote between the kernel's (types from 64 on): in pipe mode they take the header's place. */
import { note } from '../../core/diagnostics.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { parseAttr } from './attr.ts';
import { addAttr, addTracingData, nameEnabledEvents } from './describe.ts';
import { applyFeatures, FEATURE_COMPRESSED, mmapLength } from './header.ts';
import type { RecordState } from './record-state.ts';
import {
  LAST_USER_RECORD,
  RECORD_AUXTRACE,
  RECORD_HEADER_ATTR,
  RECORD_HEADER_FEATURE,
  RECORD_TRACING_DATA,
} from './record-types.ts';

/** What the container's records need besides the records' state. */
export interface Container {
  readonly state: RecordState;
  readonly source: ByteSource;
  /** Attrs, features and formats come as records; in file mode the header has told them. */
  readonly pipe: boolean;
  /** Most plain bytes of one compressed record, null if not stated. */
  mmapLength: number | null;
  /** Event formats have been read. */
  hasFormats: boolean;
}

/** Most bytes of event formats; a whole kernel has about 10 MB. */
const MAX_TRACING_BYTES = 64 << 20;

/**
 * Takes in the record at `at`, which is `size` bytes long and lies at byte `position` of the source. Returns how many
 * bytes follow it that are no records.
 */
export function takeContainerRecord(
  container: Container,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  size: number,
  position: number,
): number {
  const { state, pipe } = container;
  const { little } = state;
  const { diagnostics } = state.context;
  const type = view.getUint32(at, little);
  switch (type) {
    case RECORD_AUXTRACE:
      // The data of a hardware tracer (-e intel_pt//) behind the record: no events of ours.
      if (size < 16) return 0;
      note(diagnostics, 'aux-data', 'info', 'pieces of hardware trace data (AUX area) were passed over');
      return Number(view.getBigUint64(at + 8, little));
    case RECORD_TRACING_DATA: {
      if (size < 12) return 0;
      const length = view.getUint32(at + 8, little);
      if (pipe && !container.hasFormats) {
        container.hasFormats = true;
        const blob = new Uint8Array(readable(container, length, position + size));
        addTracingData(
          state,
          blob.subarray(0, readFully(container.source, position + size, blob, 0, blob.length)),
        );
        nameEnabledEvents(state);
      }
      // perf pads the blob to 8 bytes and states the padded size (tools/perf/util/synthetic-events.c).
      return length;
    }
    case RECORD_HEADER_ATTR: {
      const attrSize = size >= 16 ? view.getUint32(at + 12, little) : 0;
      if (!pipe) return 0;
      if (attrSize < 64 || 8 + attrSize > size) {
        note(
          diagnostics,
          'damaged-attr',
          'data-loss',
          'descriptions of events are cut off: samples of these events cannot be read',
        );
        return 0;
      }
      const ids: number[] = [];
      for (let id = at + 8 + attrSize; id + 8 <= at + size; id += 8)
        ids.push(Number(view.getBigUint64(id, little)));
      addAttr(state, parseAttr(view, at + 8, attrSize, little), ids);
      nameEnabledEvents(state);
      return 0;
    }
    case RECORD_HEADER_FEATURE: {
      if (!pipe || size < 16) return 0;
      const feature = Number(view.getBigUint64(at + 8, little));
      const body = bytes.slice(at + 16, at + size);
      if (feature === FEATURE_COMPRESSED) container.mmapLength = mmapLength(body, little);
      if (body.length > 0) applyFeatures(new Map([[feature, body]]), little, state.attrs, state.context);
      return 0;
    }
    default:
      if (type > LAST_USER_RECORD)
        note(
          diagnostics,
          'unknown-records',
          'suspect',
          'records of a type that perf does not know were left out',
        );
      return 0;
  }
}

/** Bytes of `length` at `position` that can be there: a damaged size must not make memory. */
function readable(container: Container, length: number, position: number): number {
  return Math.max(0, Math.min(length, MAX_TRACING_BYTES, (container.source.size ?? Infinity) - position));
}
