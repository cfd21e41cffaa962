/**
 * Exits by reason and level: of L1, of L2 handled by this host, of L2 handed on to the L1 hypervisor. Counts and exact
 * sums over pairs, as KVM BPF Tools' count and time show them.
 */
import { addExact, exactValue, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import {
  createGroupTable,
  findGroup,
  type GroupTable,
  groupOf,
  KEY_CODE,
  KEY_INTS,
  KEY_ISA,
} from './groups.ts';

const LEVELS = 3;

export interface LevelTable {
  readonly groups: GroupTable;
  capacity: number;
  /** By group · 3 + level. */
  exits: Float64Array;
  paired: Float64Array;
  total: Float64Array;
}

export function createLevelTable(): LevelTable {
  const capacity = 64;
  return {
    groups: createGroupTable({ pid: false, tid: false, vcpu: false, cpu: false, level: false }),
    capacity,
    exits: new Float64Array(LEVELS * capacity),
    paired: new Float64Array(LEVELS * capacity),
    total: new Float64Array(2 * LEVELS * capacity),
  };
}

function reserve(table: LevelTable, group: number): void {
  if (group < table.capacity) return;
  const capacity = 2 * group;
  const wider = (old: Float64Array, each: number) => {
    const column = new Float64Array(each * LEVELS * capacity);
    column.set(old);
    return column;
  };
  table.capacity = capacity;
  table.exits = wider(table.exits, 1);
  table.paired = wider(table.paired, 1);
  table.total = wider(table.total, 2);
}

export function addLevels(table: LevelTable, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    const group = groupOf(table.groups, batch, row);
    reserve(table, group);
    const at = group * LEVELS + batch.level[row];
    table.exits[at]++;
    if (batch.state[row] !== PAIRED) continue;
    table.paired[at]++;
    addExact(table.total, at, batch.latency[row]);
  }
}

export function mergeLevels(table: LevelTable, other: LevelTable): void {
  for (let from = 0; from < other.groups.count; from++) {
    const group = findGroup(table.groups, other.groups.keys, from * KEY_INTS);
    reserve(table, group);
    for (let level = 0; level < LEVELS; level++) {
      const at = group * LEVELS + level;
      table.exits[at] += other.exits[from * LEVELS + level];
      table.paired[at] += other.paired[from * LEVELS + level];
      mergeExact(table.total, at, other.total, from * LEVELS + level);
    }
  }
}

export interface LevelCell {
  readonly exits: number;
  readonly paired: number;
  readonly totalNs: number | bigint;
}

export interface LevelRow {
  readonly isa: number;
  readonly code: number;
  /** LEVEL_L1, LEVEL_L2, LEVEL_L2_REFLECTED. */
  readonly levels: readonly [LevelCell, LevelCell, LevelCell];
}

export function levelRows({ groups, exits, paired, total }: LevelTable): LevelRow[] {
  const cell = (at: number): LevelCell => ({
    exits: exits[at],
    paired: paired[at],
    totalNs: exactValue(total, at),
  });
  return Array.from({ length: groups.count }, (_, group) => ({
    isa: groups.keys[group * KEY_INTS + KEY_ISA],
    code: groups.keys[group * KEY_INTS + KEY_CODE] >>> 0,
    levels: [cell(LEVELS * group), cell(LEVELS * group + 1), cell(LEVELS * group + 2)],
  }));
}
