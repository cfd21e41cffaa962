/** Finding the next record of a simpletrace file behind a damaged place. */
import { TWO_32 } from '../../core/words.ts';
import { MAX_STRING } from './event-plans.ts';
import type { RecordState } from './records.ts';

/** Header of an event behind the type word. */
export const EVENT_HEADER = 24;
/** Type, id and length of a mapping. */
export const MAPPING_HEADER = 20;
/** Most arguments that an event may have (scripts/tracetool). */
const MAX_ARGUMENTS = 10;
/** Largest event: all arguments are strings of the longest kind. */
export const MAX_EVENT = EVENT_HEADER + MAX_ARGUMENTS * (4 + MAX_STRING);
/** Longest event name; QEMU's are below 64. */
export const MAX_NAME = 1024;

const NAME_BYTE = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_')
  NAME_BYTE[char.charCodeAt(0)] = 1;

/** More bytes are needed to tell. */
export const WAIT = -2;

/** Event id at `at`, −1 if a number cannot hold it (then it is none). */
export function idAt(view: DataView, at: number, little: boolean): number {
  const high = view.getUint32(little ? at + 4 : at, little);
  const low = view.getUint32(little ? at : at + 4, little);
  return high < 2097152 ? high * TWO_32 + low : -1;
}

/** The id of records about dropped events. */
export function isDropped(view: DataView, at: number, little: boolean): boolean {
  return (
    view.getUint32(little ? at + 4 : at, little) === 0xffffffff &&
    view.getUint32(little ? at : at + 4, little) === 0xfffffffe
  );
}

/** Moves on from a damaged record at `at` until a plausible one; still searching if there is none before `end`. */
export function search(state: RecordState, view: DataView, at: number, end: number, last: boolean): number {
  const found = findRecord(state, view, at + 1, end, end, last);
  state.searching = found <= 0;
  let stop = found;
  if (found <= 0) {
    // Bytes that cannot be judged yet stay; the search goes on behind the byte before them.
    const need = (state.version === 4 ? 8 : 0) + EVENT_HEADER;
    stop = last ? end : Math.max(at, (found < 0 ? -found : end - need + 1) - 1);
  }
  state.skipped += stop - at;
  return stop;
}

/** A record inside the one before `at`, whose length is damaged then: its position, 0 if there is none, or WAIT. */
export function findCovered(
  state: RecordState,
  view: DataView,
  at: number,
  end: number,
  last: boolean,
): number {
  if (state.previous < 0) return 0;
  const found = findRecord(state, view, state.previous + 1, at, end, last);
  return found < 0 ? WAIT : found;
}

/**
 * First plausible record that begins in [from, to): its position; 0 if there is none; −position of a place that cannot
 * be judged before there are more bytes behind `end`.
 */
export function findRecord(
  state: RecordState,
  view: DataView,
  from: number,
  to: number,
  end: number,
  last: boolean,
): number {
  const need = (state.version === 4 ? 8 : 0) + EVENT_HEADER;
  for (let p = from; p < to; p++) {
    if (p + need > end) return last ? 0 : -p;
    const next = plausibleEnd(state, view, p, end, last);
    if (next > 0) return p;
    if (next === WAIT && !last) return -p;
  }
  return 0;
}

/** End of the record at `p` if it makes sense and another follows; 0 if not, WAIT if that cannot be seen yet. */
function plausibleEnd(state: RecordState, view: DataView, p: number, end: number, last: boolean): number {
  const next = recordEnd(state, view, p, end);
  if (next === 0 || (last && next === end)) return next;
  if (next + 8 > end) return WAIT;
  if (state.version !== 4) return isKnownId(state, view, next) ? next : 0;
  const { little } = state;
  const type = view.getUint32(little ? next : next + 4, little);
  return type <= 1 && view.getUint32(little ? next + 4 : next, little) === 0 ? next : 0;
}

function recordEnd(state: RecordState, view: DataView, p: number, end: number): number {
  const { little, version } = state;
  let event = p;
  if (version === 4) {
    if (view.getUint32(little ? p + 4 : p, little) !== 0) return 0;
    const type = view.getUint32(little ? p : p + 4, little);
    if (type === 0) {
      const length = view.getUint32(p + 16, little);
      const id = idAt(view, p + 8, little);
      if (length === 0 || length > MAX_NAME || id < 0 || id > 0xffff) return 0;
      return isName(view, p + MAPPING_HEADER, Math.min(p + MAPPING_HEADER + length, end))
        ? p + MAPPING_HEADER + length
        : 0;
    }
    if (type !== 1) return 0;
    event = p + 8;
  }
  const length = view.getUint32(event + 16, little);
  if (length < EVENT_HEADER || length > MAX_EVENT || !isKnownId(state, view, event)) return 0;
  if (version >= 3 && state.pid >= 0) {
    const pid = view.getInt32(event + 20, little);
    // 0: stamped before QEMU knew its number.
    if (pid !== state.pid && pid !== 0) return 0;
  }
  return event + length;
}

/** Only letters, digits and underscores. */
function isName(view: DataView, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (NAME_BYTE[view.getUint8(p)] === 0) return false;
  return true;
}

function isKnownId(state: RecordState, view: DataView, at: number): boolean {
  const { little, plans } = state;
  if (isDropped(view, at, little)) return true;
  const id = idAt(view, at, little);
  return id >= 0 && (plans.names.has(id) || (plans.names.size === 0 && id < 65536));
}
