/**
 * Where events were lost, per CPU, for passes that follow threads: a loss lies between the CPU's last record before it
 * and the first after it. Counted in rows (the order of the recording), so that equal times do not matter. Remembers
 * enough of its beginning for an earlier part of the recording to be put in front of it.
 */
import { type Arena, allocateF64, allocateU8 } from '../core/arena.ts';
import { NO_CPU } from '../core/event-batch.ts';
import { LOSS_OPEN } from './cpu-records-layout.ts';

const CPUS = NO_CPU + 1;
const NEVER = Number.POSITIVE_INFINITY;

const NO_LOSS = 0;
/** The CPU has no record after its latest loss yet. */
const OPEN = LOSS_OPEN;
const ENDED = 2;

export interface CpuLosses {
  /** Rows so far. */
  row: number;
  readonly state: Uint8Array;
  /** Row of the record that ended the latest loss, −1 without one. */
  readonly lossEnd: Float64Array;
  /** Rows of the first and last record; Infinity and −1 without one. */
  readonly first: Float64Array;
  readonly last: Float64Array;
  /** Row of the first loss (Infinity: none) and of the last record before it (−1: none). */
  readonly firstLoss: Float64Array;
  readonly beforeFirstLoss: Float64Array;
}

/** `arena`: where a kernel can follow records (pairing-part.ts, ledger.ts). */
export function createCpuLosses(arena: Arena | null = null): CpuLosses {
  const doubles = () => (arena === null ? new Float64Array(CPUS) : allocateF64(arena, CPUS));
  return {
    row: 0,
    state: arena === null ? new Uint8Array(CPUS) : allocateU8(arena, CPUS),
    lossEnd: doubles().fill(-1),
    first: doubles().fill(NEVER),
    last: doubles().fill(-1),
    firstLoss: new Float64Array(CPUS).fill(NEVER),
    beforeFirstLoss: new Float64Array(CPUS).fill(-1),
  };
}

/** The losses in memory of their own: they may be sent between threads. */
export function plainLosses(losses: CpuLosses): CpuLosses {
  const { state, lossEnd, first, last } = losses;
  return {
    ...losses,
    state: state.slice(),
    lossEnd: lossEnd.slice(),
    first: first.slice(),
    last: last.slice(),
  };
}

/** A loss was reported on the CPU. */
export function addLoss(losses: CpuLosses, cpu: number): void {
  if (losses.firstLoss[cpu] === NEVER) {
    losses.firstLoss[cpu] = losses.row;
    losses.beforeFirstLoss[cpu] = losses.last[cpu];
  }
  losses.state[cpu] = OPEN;
  losses.row++;
}

/** The CPU recorded an event. Returns its row. */
export function addRecord(losses: CpuLosses, cpu: number): number {
  const row = losses.row++;
  if (losses.state[cpu] === OPEN) {
    losses.state[cpu] = ENDED;
    losses.lossEnd[cpu] = row;
  }
  if (losses.last[cpu] < 0) losses.first[cpu] = row;
  losses.last[cpu] = row;
  return row;
}

/** Whether the CPU has recorded nothing since its latest loss. */
export function isOpen({ state }: CpuLosses, cpu: number): boolean {
  return state[cpu] === OPEN;
}

/** Whether a loss on the CPU reaches beyond row `start`, as far as is known now. */
export function lostSince(losses: CpuLosses, cpu: number, start: number): boolean {
  return losses.state[cpu] === OPEN || losses.lossEnd[cpu] > start;
}

/** Whether what came before this part may have left a loss open on the CPU that reaches beyond row `start`. */
export function mayBeLostBefore(losses: CpuLosses, cpu: number, start: number): boolean {
  return losses.first[cpu] > start;
}

/** What happened next on a CPU. */
export const NOTHING = 0;
export const RECORD = 1;
export const LOSS = 2;

/** What came first on the CPU after row `after` (−1: at all); exact for rows before the first loss. */
export function nextOn(losses: CpuLosses, cpu: number, after: number): number {
  if (losses.firstLoss[cpu] === NEVER) return losses.last[cpu] > after ? RECORD : NOTHING;
  return losses.beforeFirstLoss[cpu] > after ? RECORD : LOSS;
}

/** Whether a loss of an earlier part is still open on the CPU at its end; null: that part did not see the CPU. */
export function openAtEnd(losses: CpuLosses, cpu: number): boolean | null {
  if (losses.state[cpu] === OPEN) return true;
  return losses.last[cpu] >= 0 ? false : null;
}

/** Whether the CPU had a loss before row `row`. */
export function hadLossBefore(losses: CpuLosses, cpu: number, row: number): boolean {
  return losses.firstLoss[cpu] < row;
}

/** Adds a later part, which saw `cpus`. */
export function mergeCpuLosses(
  losses: CpuLosses,
  later: CpuLosses,
  cpus: Iterable<number> = later.state.keys(),
): void {
  const base = losses.row;
  for (const cpu of cpus) {
    const hasRecord = later.last[cpu] >= 0;
    if (!hasRecord && later.state[cpu] === NO_LOSS) continue;
    if (losses.firstLoss[cpu] === NEVER && later.firstLoss[cpu] !== NEVER) {
      losses.firstLoss[cpu] = base + later.firstLoss[cpu];
      const before = later.beforeFirstLoss[cpu];
      losses.beforeFirstLoss[cpu] = before < 0 ? losses.last[cpu] : base + before;
    }
    if (losses.state[cpu] === OPEN && hasRecord) {
      losses.state[cpu] = ENDED;
      losses.lossEnd[cpu] = base + later.first[cpu];
    }
    if (later.state[cpu] !== NO_LOSS) {
      losses.state[cpu] = later.state[cpu];
      if (later.lossEnd[cpu] >= 0) losses.lossEnd[cpu] = base + later.lossEnd[cpu];
    }
    if (hasRecord) {
      if (losses.last[cpu] < 0) losses.first[cpu] = base + later.first[cpu];
      losses.last[cpu] = base + later.last[cpu];
    }
  }
  losses.row += later.row;
}
