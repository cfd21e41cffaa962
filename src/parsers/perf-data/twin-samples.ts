/** Tracepoints that were recorded more than once: `-e 'kvm:*' -e kvm:kvm_exit`. */
import { note } from '../../core/diagnostics.ts';
import { TWO_32 } from '../../core/words.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr, type SampleLayout } from './attr.ts';
import type { RecordState } from './record-state.ts';

/** The last hit of a tracepoint on a CPU. */
interface Hit {
  readonly bytes: Uint8Array;
  /** Attrs, by index, that have a sample of it. */
  readonly attrs: number[];
}

export interface Hits {
  /** By CPU (by thread where CPUs were not recorded) and tracepoint id. */
  readonly places: Map<number, Hit>;
  /** Bytes kept in all of them. */
  kept: number;
}

/** With more than this all are forgotten and begun anew: damaged records name CPUs that no host has. */
const MAX_KEPT = 16 << 20;
/** What a place takes besides its bytes, about. */
const PLACE_BYTES = 200;

export function createHits(): Hits {
  return { places: new Map(), kept: 0 };
}

export function recordsTwice(attrs: readonly PerfAttr[]): boolean {
  const ids = new Set<number>();
  let tracepoints = 0;
  for (const attr of attrs) {
    if (attr.type !== PERF_TYPE_TRACEPOINT) continue;
    tracepoints++;
    ids.add(attr.config);
  }
  return ids.size < tracepoints;
}

/**
 * Whether the sample `at`, with `length` raw bytes at `base`, tells a hit that another attr's sample has told: the next
 * of its tracepoint on its CPU and with the same bytes, as the kernel writes one hit's samples before anything else
 * can hit. Attrs with different filters stay apart, as one filter's hit is no other's.
 */
export function isTwin(
  state: RecordState,
  hits: Hits,
  layout: SampleLayout,
  at: number,
  base: number,
  length: number,
): boolean {
  const { little, window } = state;
  const { view } = window;
  const u32 = (offset: number) => view.getUint32(offset, little);
  const attr =
    state.attrOfId.get(
      u32(at + layout.id + (little ? 0 : 4)) + u32(at + layout.id + (little ? 4 : 0)) * TWO_32,
    ) ?? -1;
  const place = layout.cpu >= 0 ? u32(at + layout.cpu) : layout.tid >= 0 ? u32(at + layout.tid + 4) : 0;
  const key = place * 65536 + view.getUint16(base, little);
  const hit = hits.places.get(key);
  if (hit && !hit.attrs.includes(attr) && isAt(hit.bytes, window.bytes, base, length)) {
    hit.attrs.push(attr);
    note(
      state.context.diagnostics,
      'recorded-twice',
      'info',
      'samples left out because their tracepoint was recorded more than once (-e kvm:* -e kvm:kvm_exit): each hit counts once',
    );
    return true;
  }
  if (hit?.bytes.length === length) {
    for (let i = 0; i < length; i++) hit.bytes[i] = window.bytes[base + i];
    hit.attrs.length = 0;
    hit.attrs.push(attr);
    return false;
  }
  if (hits.kept > MAX_KEPT) {
    hits.places.clear();
    hits.kept = 0;
  }
  hits.kept += PLACE_BYTES + length;
  hits.places.set(key, { bytes: window.bytes.slice(base, base + length), attrs: [attr] });
  return false;
}

/** Whether `source` has these `length` bytes at `base`. */
function isAt(bytes: Uint8Array, source: Uint8Array, base: number, length: number): boolean {
  if (bytes.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[i] !== source[base + i]) return false;
  return true;
}
