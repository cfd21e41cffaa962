/** Printed time → ns in the time column. */
import { note } from '../../core/diagnostics.ts';
import { storeNumber, storeSecondsNs, TWO_32 } from '../../core/words.ts';
import type { LinePrefix } from './line-prefix.ts';
import { CLOCK_DELTAS, CLOCK_INTEGER, CLOCK_SECONDS, CLOCK_UNSEEN, type LineState } from './line-state.ts';

/** Writes the prefix's time to the row; false if it is of the other kind than the rest of the input. */
export function storeTime(state: LineState, time: Uint32Array, row: number): boolean {
  const { prefix } = state;
  const kind = prefix.hasFraction ? CLOCK_SECONDS : CLOCK_INTEGER;
  if (state.clock !== kind) {
    if (state.clock === CLOCK_DELTAS) return storeSum(state, time, row);
    if (state.clock !== CLOCK_UNSEEN) {
      note(
        state.context.diagnostics,
        'odd-times',
        'data-loss',
        'lines whose time has another form than that of the first event were left out',
      );
      return false;
    }
    startClock(state, kind);
  }
  const at = 2 * row;
  if (kind === CLOCK_INTEGER) {
    if (state.uptime)
      storeSecondsNs(time, at, Math.floor(ticks(prefix) / 100), (ticks(prefix) % 100) * 10_000_000);
    else {
      time[at] = prefix.timeWords[0];
      time[at + 1] = prefix.timeWords[1];
    }
  } else {
    const { secondWords } = state;
    if (prefix.seconds !== state.seconds) {
      state.seconds = prefix.seconds;
      storeSecondsNs(secondWords, 0, prefix.seconds, 0);
    }
    const low = secondWords[0] + prefix.nanoseconds;
    time[at] = low;
    time[at + 1] = low > 0xffffffff ? secondWords[1] + 1 : secondWords[1];
  }
  state.lastTime[0] = time[at];
  state.lastTime[1] = time[at + 1];
  return true;
}

function ticks(prefix: LinePrefix): number {
  return Math.min(prefix.timeWords[1] * TWO_32 + prefix.timeWords[0], 9e11);
}

function startClock(state: LineState, kind: number): void {
  const { context } = state;
  state.clock = kind;
  if (kind === CLOCK_SECONDS) {
    state.firstNs = state.prefix.seconds * 1e9 + state.prefix.nanoseconds;
    context.timeResolutionNs = Math.max(context.timeResolutionNs, state.prefix.fine ? 1 : 1000);
    return;
  }
  if (context.clock === 'uptime') {
    state.uptime = true;
    context.timeResolutionNs = 10_000_000;
    return;
  }
  context.timeIsNs = false;
  note(
    context.diagnostics,
    'time-without-unit',
    'suspect',
    'times are plain numbers (clock x86-tsc, counter or uptime): order and counts hold, but durations have no unit',
  );
}

/** Fewer lines than these may share a microsecond. */
const MANY_LINES = 100;

/**
 * `trace-cmd report` prints ticks of the clock uptime (1/100 s) as ns and does not name the clock: then more lines than
 * ns lie between the first and the last one.
 */
export function noteDenseTimes({ context, clock, lines, firstNs, window }: LineState): void {
  // Only of rows in order the last one handed out is the latest.
  if (clock !== CLOCK_SECONDS || lines < MANY_LINES || window.late > 0 || window.backwards > 0) return;
  const { handedTime } = window;
  const span = (handedTime[1] | 0) * TWO_32 + handedTime[0] - firstNs;
  if (!window.handed || span < 0 || span >= lines) return;
  context.timeIsNs = false;
  note(
    context.diagnostics,
    'time-without-unit',
    'suspect',
    'more events than nanoseconds: the times are no seconds (trace-cmd report prints the ticks of clock uptime like that): order and counts hold, but durations have no unit',
  );
}

/** The input's times are those since the line before: what they add up to is not known where lines may be missing. */
export function startDeltas(state: LineState): void {
  const { context } = state;
  state.clock = CLOCK_DELTAS;
  context.timeIsNs = false;
  context.clock ??= 'deltas';
  note(
    context.diagnostics,
    'delta-times',
    'suspect',
    'times are those since the line before (perf script --deltatime): events are counted in their order, latencies and rates are not told; print it again without --deltatime',
  );
}

/** Largest sum: a double counts ns exactly up to here. */
const MAX_SUM = Number.MAX_SAFE_INTEGER;

function storeSum(state: LineState, time: Uint32Array, row: number): true {
  const { prefix, lastTime } = state;
  state.deltas = Math.min(MAX_SUM, state.deltas + prefix.seconds * 1e9 + prefix.nanoseconds);
  storeNumber(time, 2 * row, state.deltas);
  lastTime[0] = time[2 * row];
  lastTime[1] = time[2 * row + 1];
  return true;
}
