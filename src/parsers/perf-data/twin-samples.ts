/** Tracepoints that were recorded more than once: `-e 'kvm:*' -e kvm:kvm_exit`. */
import { note } from '../../core/diagnostics.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr, type SampleLayout } from './attr.ts';
import type { RecordState } from './record-state.ts';

/** The last hit of a tracepoint on a CPU. */
interface Hit {
  bytes: Uint8Array;
  /** Attrs, by index, that have a sample of it. */
  readonly attrs: number[];
}

/** By CPU (by thread where CPUs were not recorded) and tracepoint id. */
export type Hits = Map<number, Hit>;

/** More places than this are forgotten and begun anew: damaged records name CPUs that no host has. */
const MAX_HITS = 65536;

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
      u32(at + layout.id + (little ? 0 : 4)) + u32(at + layout.id + (little ? 4 : 0)) * 2 ** 32,
    ) ?? -1;
  const place = layout.cpu >= 0 ? u32(at + layout.cpu) : layout.tid >= 0 ? u32(at + layout.tid + 4) : 0;
  const key = place * 65536 + view.getUint16(base, little);
  const bytes = window.bytes.subarray(base, base + length);
  const hit = hits.get(key);
  if (hit && !hit.attrs.includes(attr) && equal(hit.bytes, bytes)) {
    hit.attrs.push(attr);
    note(
      state.context.diagnostics,
      'recorded-twice',
      'info',
      'samples left out because their tracepoint was recorded more than once (-e kvm:* -e kvm:kvm_exit): each hit counts once',
    );
    return true;
  }
  if (hits.size >= MAX_HITS) hits.clear();
  hits.set(key, { bytes: bytes.slice(), attrs: [attr] });
  return false;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
