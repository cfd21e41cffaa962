/** Columns that lie in an arena, for kernels, or (null) in memory of their own, which can be sent between threads. */
import { type Arena, allocateF64, allocateI32, allocateU8, allocateU16 } from './arena.ts';

export function int32s(arena: Arena | null, length: number): Int32Array {
  return arena === null ? new Int32Array(length) : allocateI32(arena, length);
}

export function float64s(arena: Arena | null, length: number): Float64Array {
  return arena === null ? new Float64Array(length) : allocateF64(arena, length);
}

export function uint16s(arena: Arena | null, length: number): Uint16Array {
  return arena === null ? new Uint16Array(length) : allocateU16(arena, length);
}

export function uint8s(arena: Arena | null, length: number): Uint8Array {
  return arena === null ? new Uint8Array(length) : allocateU8(arena, length);
}

/** The old column's values in a longer one. */
export function widened<T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(
  make: (arena: Arena | null, length: number) => T,
  arena: Arena | null,
  length: number,
  old: T,
): T {
  const column = make(arena, length);
  column.set(old);
  return column;
}
