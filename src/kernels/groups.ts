/** Groups of exits by their keys: the lookup of analysis/groups.ts. */

import { X_CODE, X_EXIT_CPU, X_ISA, X_LEVEL, X_PID, X_TID, X_VCPU } from '../analysis/exit-columns.ts';
import {
  KEY_INTS,
  RECENT,
  USES_CPU,
  USES_LEVEL,
  USES_PID,
  USES_TID,
  USES_VCPU,
} from '../analysis/exit-count-layout.ts';
import { GT_KEYS, GT_RECENT, GT_TABLE, GT_TABLE_MASK, GT_USED_KEYS } from '../analysis/group-layout.ts';

function mix(hash: u32, key: u32): u32 {
  return ((hash ^ key) * 0x9e3779b1) ^ (hash >>> 15);
}

/** Number of a row's group; −1 if it is new. `groups`: GT_*. */
export function groupOf(groups: usize, batch: usize, row: usize): i32 {
  const isa = <u32>load<u8>(batch + row, X_ISA);
  const code = load<u32>(batch + (row << 2), X_CODE);
  const seen = load<usize>(groups, GT_RECENT) + <usize>((code ^ (isa << 4)) & (RECENT - 1)) * 12;
  if (load<u64>(seen) === (((<u64>code) << 32) | <u64>isa)) return load<i32>(seen, 8);
  return <i32>findGroup(groups, batch, row, isa, code);
}

/** The same for a reason that is not in the memory of reasons. */
export function findGroup(groups: usize, batch: usize, row: usize, isa: u32, code: u32): u32 {
  const used = load<u32>(groups, GT_USED_KEYS);
  const row4 = batch + (row << 2);
  return findKey(
    groups,
    isa,
    code,
    used & USES_PID ? load<u32>(row4, X_PID) : 0,
    used & USES_TID ? load<u32>(row4, X_TID) : 0,
    used & USES_VCPU ? load<u32>(row4, X_VCPU) : 0,
    used & USES_CPU ? <u32>load<u16>(batch + (row << 1), X_EXIT_CPU) : 0,
    used & USES_LEVEL ? <u32>load<u8>(batch + row, X_LEVEL) : 0,
  );
}

/** Number of a key; −1 if it is new. */
export function findKey(
  groups: usize,
  isa: u32,
  code: u32,
  pid: u32,
  tid: u32,
  vcpu: u32,
  cpu: u32,
  level: u32,
): u32 {
  let hash = mix(mix(mix(mix(mix(mix(mix(0, isa), code), pid), tid), vcpu), cpu), level);
  hash ^= hash >>> 13;
  const table = load<usize>(groups, GT_TABLE);
  const mask = load<u32>(groups, GT_TABLE_MASK);
  const keys = load<usize>(groups, GT_KEYS);
  while (true) {
    hash &= mask;
    const entry = load<u32>(table + ((<usize>hash) << 2));
    if (entry === 0) return u32.MAX_VALUE;
    const own = keys + <usize>(entry - 1) * (4 * KEY_INTS);
    if (
      load<u32>(own) === isa &&
      load<u32>(own, 4) === code &&
      load<u32>(own, 8) === pid &&
      load<u32>(own, 12) === tid &&
      load<u32>(own, 16) === vcpu &&
      load<u32>(own, 20) === cpu &&
      load<u32>(own, 24) === level
    )
      return entry - 1;
    hash++;
  }
}
