/** Whether reasons are idle, by the memory that analysis/idle-memory.ts fills. */
import { RECENT } from '../analysis/exit-count-layout.ts';

/** 1 or 0; −1: the memory does not know. */
export function idleOf(memory: usize, isa: u32, code: u32): i32 {
  const entry = memory + <usize>((code ^ (isa << 4)) & (RECENT - 1)) * 12;
  return load<u64>(entry) === (((<u64>code) << 32) | <u64>isa) ? load<i32>(entry, 8) : -1;
}
