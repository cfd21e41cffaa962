/** Feeds passes with what does, or does not, lie in an arena where their kernels can work on it. */
import { copyExit, createArenaExits, EXIT_ROWS, type ExitBatch } from '../../src/analysis/exit-batch.ts';
import type { AnyPass } from '../../src/analysis/pass.ts';
import { type Arena, allocateU8, createArena } from '../../src/core/arena.ts';
import { copyRows, createArenaBatch, type EventBatch } from '../../src/core/event-batch.ts';

/** A state, and what goes into it. */
export interface Fed<State> {
  readonly state: State;
  readonly events: (batch: EventBatch) => void;
  /** `selected`: rows to take, null: all. */
  readonly exits: (batch: ExitBatch, selected?: Uint8Array | null) => void;
}

/** Creates a pass' state (`create` gets the arena) whose kernels are used: batches are copied to where they can be. */
export function withKernels<State>(
  pass: AnyPass,
  create: (arena: Arena) => State,
  rows = 4096,
  arena = createArena(),
): Fed<State> {
  const state = create(arena);
  const events = createArenaBatch(arena, rows);
  const exits = createArenaExits(arena);
  const mask = allocateU8(arena, EXIT_ROWS);
  return {
    state,
    events: (batch) => {
      for (let at = 0; at < batch.length; at += rows) {
        copyRows(batch, at, events, Math.min(rows, batch.length - at));
        pass.events?.(state, events);
      }
    },
    exits: (batch, selected = null) => {
      const step = Math.min(rows, EXIT_ROWS);
      for (let at = 0; at < batch.length; at += step) {
        exits.length = 0;
        for (let row = at; row < Math.min(batch.length, at + step); row++) {
          mask[exits.length] = selected?.[row] ?? 1;
          copyExit(batch, row, exits, exits.length++);
        }
        pass.exits?.(state, exits, selected === null ? null : mask);
      }
    },
  };
}
