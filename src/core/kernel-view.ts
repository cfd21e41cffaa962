/** The words in an arena by which a kernel learns where its tables lie, and by which it answers. */
import { type Arena, allocateU32 } from './arena.ts';

export interface KernelView {
  readonly arena: Arena;
  readonly address: number;
  readonly words: Uint32Array;
  /** The same memory as doubles. */
  readonly doubles: Float64Array;
}

/** `bytes`: a multiple of 8. */
export function createView(arena: Arena, bytes: number): KernelView {
  const words = allocateU32(arena, bytes / 4);
  return {
    arena,
    address: words.byteOffset,
    words,
    doubles: new Float64Array(words.buffer, words.byteOffset, bytes / 8),
  };
}

/** Address of an array in an arena, for a kernel; 0 for none. */
export function addressOf(array: { readonly byteOffset: number } | null): number {
  return array === null ? 0 : array.byteOffset;
}
