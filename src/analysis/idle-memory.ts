/** A memory of which reasons are idle (HLT, WFx …), for kernels: they stop at reasons that are not in it. */
import { type Arena, allocateI32 } from '../core/arena.ts';
import { isIdle } from '../isa/reasons.ts';
import { RECENT } from './exit-count-layout.ts';

/** Direct-mapped: isa, code, idle per entry, isa −1 = free. A recording has a few dozen reasons. */
export function createIdleMemory(arena: Arena): Int32Array {
  return allocateI32(arena, 3 * RECENT).fill(-1);
}

export function rememberIdle(memory: Int32Array, isa: number, code: number): void {
  const at = 3 * ((code ^ (isa << 4)) & (RECENT - 1));
  memory[at] = isa;
  memory[at + 1] = code;
  memory[at + 2] = isIdle(isa, code) ? 1 : 0;
}
