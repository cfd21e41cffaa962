/**
 * Pairs that were matched by row number only: exit and entry lie in the same batch, and what the exit's event says is
 * copied from there at once for all of them, column by column. Loops this small are compiled in a millisecond and run
 * at memory speed; one loop that does everything costs several times as much (docs/performance.md).
 */
import { BATCH_ROWS, type EventBatch, F_ADDRESS, F_CODE, F_INTR_INFO, F_ISA } from '../core/event-batch.ts';
import type { ExitBatch } from './exit-batch.ts';

export interface Matches {
  count: number;
  /** Batch that the exits lie in. */
  batch: EventBatch | null;
  /** Row of each pair's exit in the batch, and its row in the output. */
  exits: Int32Array;
  rows: Int32Array;
}

export function createMatches(): Matches {
  return { count: 0, batch: null, exits: new Int32Array(BATCH_ROWS), rows: new Int32Array(BATCH_ROWS) };
}

/** To be called before a batch's exits are matched. */
export function startMatches(matches: Matches, batch: EventBatch): void {
  matches.batch = batch;
  if (matches.exits.length >= batch.length) return;
  matches.exits = new Int32Array(batch.length);
  matches.rows = new Int32Array(batch.length);
}

/** Fills the output's rows of all matches, and forgets them. */
export function fillMatches(matches: Matches, out: ExitBatch): void {
  const { batch } = matches;
  if (matches.count === 0 || batch === null) return;
  fillReasons(matches, batch, out);
  fillAddresses(matches, batch, out);
  fillPlaces(matches, batch, out);
  matches.count = 0;
}

function fillReasons({ exits, rows, count }: Matches, batch: EventBatch, out: ExitBatch): void {
  const { fields, isa, code } = batch;
  const { isa: outIsa, code: outCode } = out;
  for (let i = 0; i < count; i++) {
    const exit = exits[i];
    const bits = fields[exit];
    outIsa[rows[i]] = (bits & F_ISA) !== 0 ? isa[exit] : 0;
    outCode[rows[i]] = (bits & F_CODE) !== 0 ? code[exit] : 0;
  }
}

function fillAddresses({ exits, rows, count }: Matches, batch: EventBatch, out: ExitBatch): void {
  const { fields, address, intrInfo } = batch;
  const { rip, hasRip, intrInfo: outIntrInfo } = out;
  for (let i = 0; i < count; i++) {
    const exit = exits[i];
    const to = rows[i];
    const bits = fields[exit];
    rip[2 * to] = address[2 * exit];
    rip[2 * to + 1] = address[2 * exit + 1];
    hasRip[to] = (bits & F_ADDRESS) !== 0 ? 1 : 0;
    outIntrInfo[to] = (bits & F_INTR_INFO) !== 0 ? intrInfo[exit] : 0;
  }
}

/** Both ends of a match are on one CPU. */
function fillPlaces({ exits, rows, count }: Matches, batch: EventBatch, out: ExitBatch): void {
  const { cpu, tid } = batch;
  const { exitCpu, entryCpu, tid: outTid } = out;
  for (let i = 0; i < count; i++) {
    const exit = exits[i];
    const to = rows[i];
    exitCpu[to] = cpu[exit];
    entryCpu[to] = cpu[exit];
    outTid[to] = tid[exit];
  }
}
