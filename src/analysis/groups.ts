/**
 * Grouping of exits: which row of a table an exit belongs to. The reason is always part of the key; --by adds VM,
 * thread, vCPU, CPU and level. Open addressing over small integer keys, no string or object per exit.
 */
import type { Arena } from '../core/arena.ts';
import { int32s } from '../core/columns.ts';
import type { ExitBatch } from './exit-batch.ts';
import {
  KEY_INTS,
  RECENT,
  USES_CPU,
  USES_LEVEL,
  USES_PID,
  USES_TID,
  USES_VCPU,
} from './exit-count-layout.ts';
import { GT_KEYS, GT_RECENT, GT_TABLE, GT_TABLE_MASK, GT_USED_KEYS } from './group-layout.ts';

/** Ints of a key: isa, code, pid, tid, vcpu, cpu, level. */
export { KEY_INTS };
export const KEY_ISA = 0;
export const KEY_CODE = 1;
export const KEY_PID = 2;
export const KEY_TID = 3;
export const KEY_VCPU = 4;
export const KEY_CPU = 5;
export const KEY_LEVEL = 6;

/** Which of the optional keys are used. */
export interface Grouping {
  readonly pid: boolean;
  readonly tid: boolean;
  readonly vcpu: boolean;
  readonly cpu: boolean;
  readonly level: boolean;
}

export interface GroupTable {
  readonly grouping: Grouping;
  count: number;
  /** Keys of the groups, KEY_INTS each. */
  keys: Int32Array;
  table: Int32Array;
  /** Whether any key beside the reason is used. */
  readonly plain: boolean;
  /** Direct-mapped memory of reasons seen: isa, code, group per entry; group −1 = free. */
  readonly recent: Int32Array;
  /** Where the tables lie, for a kernel that looks groups up (src/kernels/exit-counts.ts); null: in plain memory. */
  readonly arena: Arena | null;
}

export function createGroupTable(grouping: Grouping, arena: Arena | null = null): GroupTable {
  const { pid, tid, vcpu, cpu, level } = grouping;
  return {
    grouping,
    count: 0,
    keys: int32s(arena, KEY_INTS * 64),
    table: int32s(arena, 256),
    plain: !(pid || tid || vcpu || cpu || level),
    recent: int32s(arena, 3 * RECENT).fill(-1),
    arena,
  };
}

/** The groups in memory of their own: they may be sent between threads. */
export function plainGroups(groups: GroupTable): GroupTable {
  const { keys, table, recent } = groups;
  return { ...groups, arena: null, keys: keys.slice(), table: table.slice(), recent: recent.slice() };
}

/** Tells a kernel where the tables, which move when they grow, are: words at byte offset `at`. They lie in its arena. */
export function showGroups(words: Uint32Array, at: number, groups: GroupTable): void {
  const { pid, tid, vcpu, cpu, level } = groups.grouping;
  // Where a reason alone is no group, the memory of reasons stays empty.
  words[(at + GT_RECENT) / 4] = groups.recent.byteOffset;
  words[(at + GT_TABLE) / 4] = groups.table.byteOffset;
  words[(at + GT_TABLE_MASK) / 4] = groups.table.length - 1;
  words[(at + GT_KEYS) / 4] = groups.keys.byteOffset;
  words[(at + GT_USED_KEYS) / 4] =
    (pid ? USES_PID : 0) |
    (tid ? USES_TID : 0) |
    (vcpu ? USES_VCPU : 0) |
    (cpu ? USES_CPU : 0) |
    (level ? USES_LEVEL : 0);
}

const scratch = new Int32Array(KEY_INTS);

/** Group number of a row, a new one (the next) if the key was not seen before. */
export function groupOf(groups: GroupTable, batch: ExitBatch, row: number): number {
  const isa = batch.isa[row];
  const code = batch.code[row] | 0;
  if (!groups.plain) return groupOfKeys(groups, batch, row, isa, code);
  const { recent } = groups;
  const at = 3 * ((code ^ (isa << 4)) & (RECENT - 1));
  if (recent[at] === isa && recent[at + 1] === code) return recent[at + 2];
  const group = groupOfKeys(groups, batch, row, isa, code);
  recent[at] = isa;
  recent[at + 1] = code;
  recent[at + 2] = group;
  return group;
}

function groupOfKeys(groups: GroupTable, batch: ExitBatch, row: number, isa: number, code: number): number {
  const { grouping } = groups;
  scratch[KEY_ISA] = isa;
  scratch[KEY_CODE] = code;
  scratch[KEY_PID] = grouping.pid ? batch.pid[row] : 0;
  scratch[KEY_TID] = grouping.tid ? batch.tid[row] : 0;
  scratch[KEY_VCPU] = grouping.vcpu ? batch.vcpu[row] : 0;
  scratch[KEY_CPU] = grouping.cpu ? batch.exitCpu[row] : 0;
  scratch[KEY_LEVEL] = grouping.level ? batch.level[row] : 0;
  return findGroup(groups, scratch, 0);
}

/** Group number of the key at keys[at …]. */
export function findGroup(groups: GroupTable, keys: Int32Array, at: number): number {
  const own = groups.keys;
  const mask = groups.table.length - 1;
  let position = hashKey(keys, at);
  while (true) {
    position &= mask;
    const entry = groups.table[position];
    if (entry === 0) break;
    const base = (entry - 1) * KEY_INTS;
    let i = 0;
    while (i < KEY_INTS && own[base + i] === keys[at + i]) i++;
    if (i === KEY_INTS) return entry - 1;
    position++;
  }
  return addGroup(groups, keys, at, position);
}

function hashKey(keys: Int32Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < KEY_INTS; i++) hash = Math.imul(hash ^ keys[at + i], 0x9e3779b1) ^ (hash >>> 15);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function addGroup(groups: GroupTable, keys: Int32Array, at: number, position: number): number {
  const group = groups.count++;
  if ((group + 1) * KEY_INTS > groups.keys.length) {
    const grown = int32s(groups.arena, 2 * groups.keys.length);
    grown.set(groups.keys);
    groups.keys = grown;
  }
  for (let i = 0; i < KEY_INTS; i++) groups.keys[group * KEY_INTS + i] = keys[at + i];
  groups.table[position] = group + 1;
  if (2 * groups.count > groups.table.length) {
    const table = int32s(groups.arena, 2 * groups.table.length);
    const mask = table.length - 1;
    for (let g = 0; g < groups.count; g++) {
      let slot = hashKey(groups.keys, g * KEY_INTS) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = g + 1;
    }
    groups.table = table;
  }
  return group;
}
