/**
 * Records that the kernel counts exits into (src/kernels/exit-counts.ts), in an arena: what was added since they were
 * last settled, that is taken over into the statistics. They have an end, so that a recording of absurdly many reasons or
 * threads cannot fill the arena; what has no place is counted without the kernel.
 */
import { type Arena, allocate } from '../core/arena.ts';
import { isIdle } from '../isa/reasons.ts';
import { addExactWords } from './exact-sum.ts';
import {
  G_BYTES,
  G_ERRORS,
  G_ESCALATED,
  G_GUEST_KERNEL,
  G_GUEST_USER,
  G_IDLE,
  G_KERNEL_NS,
  G_L2,
  G_L2_REFLECTED,
  G_MAX,
  G_MIN,
  G_RESTARTS,
  G_RIP_UNKNOWN,
  G_SQUARE_CROSS,
  G_SQUARE_HIGH,
  G_SQUARE_LOW,
  G_UNPAIRED,
  G_USERSPACE_NS,
  PAGE_BYTES,
  PAGE_WORDS,
  T_BUSY,
  T_BYTES,
  T_IDLE,
  T_PAIRED,
  T_PID,
  T_TID,
  T_UNPAIRED,
  T_VCPU,
  U_BYTES,
  U_COUNT,
  U_NS,
  USERSPACE_REASONS,
} from './exit-count-layout.ts';
import { coverGroups, type ExitStats, groupKey } from './exit-stats.ts';
import { KEY_CODE, KEY_ISA } from './groups.ts';
import { countLatency } from './latency-log.ts';
import { bucketOf, SUB_BITS, SUBS } from './log-linear.ts';
import { coverThreads, type ThreadStats } from './thread-stats.ts';
import type { UserspaceStats } from './userspace-stats.ts';

const FIRST_RECORDS = 64;
/** Groups and threads with a record, and pages of histograms: 10 MB and 32 MB at most. */
const MAX_RECORDS = 16384;
const MAX_PAGES = 65536;
/** Pages that are allocated at once. */
const PAGE_BLOCK = 32;

export interface ExitRecords {
  readonly arena: Arena;
  /** Groups that have a record: all up to this number. */
  groups: number;
  /** Words of the groups' records, and the same memory as doubles. */
  records: Uint32Array;
  /** Addresses of the groups' pages, PAGE_WORDS each. */
  pages: Uint32Array;
  /** Pages in use: their places in `pages`, and the words of each. */
  readonly pagesMade: { readonly place: number; readonly counts: Uint32Array }[];
  /** Address of the next free page, and how many follow. */
  freePage: number;
  freePages: number;
  threads: Uint32Array;
  readonly userspace: Uint32Array;
}

export function createExitRecords(arena: Arena): ExitRecords {
  const records = {
    arena,
    groups: 0,
    records: words(arena, 0),
    pages: words(arena, 0),
    pagesMade: [],
    freePage: 0,
    freePages: 0,
    threads: words(arena, FIRST_RECORDS * T_BYTES),
    userspace: words(arena, USERSPACE_REASONS * U_BYTES),
  };
  forgetThreads(records.threads, 0, FIRST_RECORDS);
  return records;
}

function words(arena: Arena, bytes: number): Uint32Array {
  const address = allocate(arena, bytes);
  return new Uint32Array(arena.memory.buffer, address, bytes / 4);
}

function grown(arena: Arena, old: Uint32Array, bytes: number): Uint32Array {
  const table = words(arena, bytes);
  table.set(old);
  return table;
}

const doublesOf = (table: Uint32Array) => new Float64Array(table.buffer, table.byteOffset, table.length / 2);

/** Makes records for all groups that there are, if there is room; whether `group` has one. */
export function hasRecord(records: ExitRecords, stats: ExitStats, group: number): boolean {
  const { arena } = records;
  while (records.groups <= group && records.groups < MAX_RECORDS) {
    const next = records.groups;
    if ((next + 1) * G_BYTES > 4 * records.records.length) {
      const room = Math.max(FIRST_RECORDS, 2 * next);
      records.records = grown(arena, records.records, room * G_BYTES);
      records.pages = grown(arena, records.pages, room * PAGE_WORDS * 4);
    }
    const at = (next * G_BYTES) / 4;
    doublesOf(records.records)[(at + G_MIN / 4) / 2] = Number.POSITIVE_INFINITY;
    const idle = isIdle(groupKey(stats, next, KEY_ISA), groupKey(stats, next, KEY_CODE));
    records.records[at + G_IDLE / 4] = idle ? 1 : 0;
    records.groups = next + 1;
  }
  return group < records.groups;
}

/** Makes the page that a group's latency belongs to, if there is room; whether there is one. */
export function hasPage(records: ExitRecords, group: number, latency: number): boolean {
  const place = group * PAGE_WORDS + (bucketOf(latency) >> SUB_BITS);
  if (records.pages[place] !== 0) return true;
  const { pagesMade, arena } = records;
  if (pagesMade.length === MAX_PAGES) return false;
  if (records.freePages === 0) {
    records.freePage = allocate(arena, PAGE_BLOCK * PAGE_BYTES);
    records.freePages = PAGE_BLOCK;
  }
  records.pages[place] = records.freePage;
  pagesMade.push({ place, counts: new Uint32Array(arena.memory.buffer, records.freePage, SUBS) });
  records.freePage += PAGE_BYTES;
  records.freePages--;
  return true;
}

/** Makes records of threads up to `slot`, if there is room; whether it has one. */
export function hasThread(records: ExitRecords, slot: number): boolean {
  const room = threadRoom(records);
  if (slot < room) return true;
  if (slot >= MAX_RECORDS) return false;
  const more = Math.max(2 * room, 2 ** Math.ceil(Math.log2(slot + 1)));
  records.threads = grown(records.arena, records.threads, more * T_BYTES);
  forgetThreads(records.threads, room, more);
  return true;
}

export function threadRoom({ threads }: ExitRecords): number {
  return (4 * threads.length) / T_BYTES;
}

/** Empties records [from, to) of threads. */
function forgetThreads(threads: Uint32Array, from: number, to: number): void {
  for (let at = (from * T_BYTES) / 4; at < (to * T_BYTES) / 4; at += T_BYTES / 4) {
    threads.fill(0, at, at + T_TID / 4);
    threads.fill(0xffffffff, at + T_TID / 4, at + T_VCPU / 4 + 1);
  }
}

const countAt = (table: Uint32Array, at: number, field: number) =>
  table[at + field / 4] + table[at + field / 4 + 1] * 4294967296;

function addSum(sums: Float64Array, index: number, table: Uint32Array, at: number, field: number): void {
  addExactWords(sums, index, table[at + field / 4], table[at + field / 4 + 1]);
}

/** Takes over what groups' records hold. */
export function settleGroups(records: ExitRecords, stats: ExitStats): void {
  coverGroups(stats);
  settlePages(records, stats);
  const { records: table } = records;
  const doubles = doublesOf(table);
  for (let group = 0; group < records.groups; group++) {
    const at = (group * G_BYTES) / 4;
    const unpaired = countAt(table, at, G_UNPAIRED);
    const second = countAt(table, at, G_L2);
    const reflected = countAt(table, at, G_L2_REFLECTED);
    stats.exits[group] += unpaired;
    stats.levels[3 * group] += unpaired - second - reflected;
    stats.levels[3 * group + 1] += second;
    stats.levels[3 * group + 2] += reflected;
    stats.escalated[group] += countAt(table, at, G_ESCALATED);
    stats.restarts[group] += countAt(table, at, G_RESTARTS);
    stats.errors[group] += countAt(table, at, G_ERRORS);
    stats.min[group] = Math.min(stats.min[group], doubles[(at + G_MIN / 4) / 2]);
    stats.max[group] = Math.max(stats.max[group], doubles[(at + G_MAX / 4) / 2]);
    for (const part of [G_RIP_UNKNOWN, G_GUEST_USER, G_GUEST_KERNEL])
      addSum(stats.total, group, table, at, part);
    addSum(stats.guestKernel, group, table, at, G_GUEST_KERNEL);
    addSum(stats.ripUnknown, group, table, at, G_RIP_UNKNOWN);
    addSum(stats.kernelNs, group, table, at, G_KERNEL_NS);
    addSum(stats.userspaceNs, group, table, at, G_USERSPACE_NS);
    addSum(stats.squareHigh, group, table, at, G_SQUARE_HIGH);
    addSum(stats.squareCross, group, table, at, G_SQUARE_CROSS);
    addSum(stats.squareLow, group, table, at, G_SQUARE_LOW);
    table.fill(0, at, at + G_IDLE / 4);
    doubles[(at + G_MIN / 4) / 2] = Number.POSITIVE_INFINITY;
  }
}

/** Every pair is in one of its group's pages. */
function settlePages({ pagesMade }: ExitRecords, stats: ExitStats): void {
  for (const { place, counts } of pagesMade) {
    const group = Math.floor(place / PAGE_WORDS);
    const bucket = (place % PAGE_WORDS) << SUB_BITS;
    let pairs = 0;
    for (let sub = 0; sub < SUBS; sub++) {
      if (counts[sub] === 0) continue;
      countLatency(stats.log, group, bucket + sub, counts[sub]);
      pairs += counts[sub];
    }
    stats.paired[group] += pairs;
    stats.exits[group] += pairs;
    stats.levels[3 * group] += pairs;
    counts.fill(0);
  }
}

/** Takes over what threads' records hold. */
export function settleThreads(records: ExitRecords, stats: ThreadStats): void {
  for (let slot = 0; slot < threadRoom(records); slot++) settleThread(records, stats, slot);
}

export function settleThread({ threads: table }: ExitRecords, stats: ThreadStats, slot: number): void {
  const at = (slot * T_BYTES) / 4;
  if (at >= table.length) return;
  const paired = countAt(table, at, T_PAIRED);
  const exits = paired + countAt(table, at, T_UNPAIRED);
  if (exits === 0) return;
  coverThreads(stats, slot + 1);
  stats.exits[slot] += exits;
  stats.paired[slot] += paired;
  stats.tid[slot] = table[at + T_TID / 4] | 0;
  const pid = table[at + T_PID / 4] | 0;
  const vcpu = table[at + T_VCPU / 4] | 0;
  if (pid >= 0) stats.pid[slot] = pid;
  if (vcpu >= 0) stats.vcpu[slot] = vcpu;
  addSum(stats.total, slot, table, at, T_BUSY);
  addSum(stats.total, slot, table, at, T_IDLE);
  addSum(stats.idle, slot, table, at, T_IDLE);
  forgetThreads(table, slot, slot + 1);
}

/** Takes over what the records of userspace exits hold. */
export function settleUserspace({ userspace: table }: ExitRecords, stats: UserspaceStats): void {
  for (let code = 0; code < USERSPACE_REASONS; code++) {
    const at = (code * U_BYTES) / 4;
    stats.count[code] += countAt(table, at, U_COUNT);
    addSum(stats.userspaceNs, code, table, at, U_NS);
  }
  table.fill(0);
}
