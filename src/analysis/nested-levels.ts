/**
 * Exits by reason and level: of L1, of L2 handled by this host, of L2 handed on to the L1 hypervisor. Counts and exact
 * sums over pairs, as KVM BPF Tools' count and time show them.
 */
import type { Arena } from '../core/arena.ts';
import { float64s, widened } from '../core/columns.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { addExact, exactValue, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import { LEVELS, LV_BYTES, LV_EXITS, LV_PAIRED, LV_ROOM, LV_TOTAL, V_GROUPS } from './exits-view-layout.ts';
import {
  createGroupTable,
  findGroup,
  type GroupTable,
  groupOf,
  KEY_CODE,
  KEY_INTS,
  KEY_ISA,
  plainGroups,
  showGroups,
} from './groups.ts';

export interface LevelTable {
  readonly groups: GroupTable;
  capacity: number;
  /** By group · 3 + level. */
  exits: Float64Array;
  paired: Float64Array;
  total: Float64Array;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

export function createLevelTable(arena: Arena | null = null): LevelTable {
  const capacity = 64;
  return {
    groups: createGroupTable({ pid: false, tid: false, vcpu: false, cpu: false, level: false }, arena),
    capacity,
    exits: float64s(arena, LEVELS * capacity),
    paired: float64s(arena, LEVELS * capacity),
    total: float64s(arena, 2 * LEVELS * capacity),
    view: arena === null ? null : createView(arena, LV_BYTES),
  };
}

function reserve(table: LevelTable, group: number): void {
  if (group < table.capacity) return;
  const capacity = 2 * group;
  const arena = table.view?.arena ?? null;
  table.capacity = capacity;
  table.exits = widened(float64s, arena, LEVELS * capacity, table.exits);
  table.paired = widened(float64s, arena, LEVELS * capacity, table.paired);
  table.total = widened(float64s, arena, 2 * LEVELS * capacity, table.total);
}

export function addLevels(table: LevelTable, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    table.view,
    'countLevels',
    batch,
    selected,
    (view) => showLevels(table, view),
    (row) => addExit(table, batch, row),
  );
}

function showLevels(table: LevelTable, { words }: KernelView): void {
  showGroups(words, V_GROUPS, table.groups);
  words[LV_EXITS / 4] = addressOf(table.exits);
  words[LV_PAIRED / 4] = addressOf(table.paired);
  words[LV_TOTAL / 4] = addressOf(table.total);
  words[LV_ROOM / 4] = table.capacity;
}

function addExit(table: LevelTable, batch: ExitBatch, row: number): void {
  const group = groupOf(table.groups, batch, row);
  reserve(table, group);
  const at = group * LEVELS + batch.level[row];
  table.exits[at]++;
  if (batch.state[row] !== PAIRED) return;
  table.paired[at]++;
  addExact(table.total, at, batch.latency[row]);
}

/** The table as plain data, for another thread. */
export function plainLevels(table: LevelTable): LevelTable {
  const { groups, exits, paired, total } = table;
  return {
    ...table,
    groups: plainGroups(groups),
    exits: exits.slice(),
    paired: paired.slice(),
    total: total.slice(),
    view: null,
  };
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
