/**
 * Small hash table from names in bytes to consecutive ids, so that a name that was seen before costs a comparison
 * and no string. Bounded: a name that does not fit any more has no id, and the caller takes the slow way.
 */

/** Longest name that is kept. */
export const MAX_NAME_BYTES = 64;
const MAX_NAMES = 4096;
const SLOTS = 16384;

export interface ByteNames {
  /** Id + 1 by slot; 0 is free. */
  readonly slots: Uint16Array;
  readonly hashes: Int32Array;
  readonly lengths: Uint8Array;
  /** MAX_NAME_BYTES per id; grown as needed. */
  bytes: Uint8Array;
  count: number;
}

export function createByteNames(): ByteNames {
  return {
    slots: new Uint16Array(SLOTS),
    hashes: new Int32Array(MAX_NAMES),
    lengths: new Uint8Array(MAX_NAMES),
    bytes: new Uint8Array(64 * MAX_NAME_BYTES),
    count: 0,
  };
}

/** The hash that findName() and addName() expect; loops that pass over a name anyway take its steps themselves. */
export function hashBytes(buf: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let p = start; p < end; p++) hash = (Math.imul(hash, 31) + buf[p]) | 0;
  return hash;
}

/** Id of the name in [start, end), −1 if it is not in the table. `hash`: its hashBytes(). */
export function findName(
  names: ByteNames,
  buf: Uint8Array,
  start: number,
  end: number,
  hash: number,
): number {
  const length = end - start;
  let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  for (;;) {
    const id = names.slots[slot] - 1;
    if (id < 0) return -1;
    if (names.hashes[id] === hash && names.lengths[id] === length) {
      const base = id * MAX_NAME_BYTES;
      let i = 0;
      while (i < length && names.bytes[base + i] === buf[start + i]) i++;
      if (i === length) return id;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
}

/** Adds a name that findName() did not find; −1 when the table is full or the name too long. */
export function addName(names: ByteNames, buf: Uint8Array, start: number, end: number, hash: number): number {
  const length = end - start;
  if (names.count >= MAX_NAMES || length > MAX_NAME_BYTES) return -1;
  const id = names.count++;
  const base = id * MAX_NAME_BYTES;
  if (base + MAX_NAME_BYTES > names.bytes.length) {
    const grown = new Uint8Array(2 * names.bytes.length);
    grown.set(names.bytes);
    names.bytes = grown;
  }
  names.bytes.set(buf.subarray(start, end), base);
  names.hashes[id] = hash;
  names.lengths[id] = length;
  let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  while (names.slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
  names.slots[slot] = id + 1;
  return id;
}

export function clearNames(names: ByteNames): void {
  names.slots.fill(0);
  names.count = 0;
}
