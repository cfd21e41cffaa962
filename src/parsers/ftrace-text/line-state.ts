/** What the loop over the lines of tracefs text remembers. */
import type { TraceContext } from '../../core/trace-context.ts';
import { createEventText, type EventText, NO_EVENT } from '../text/event-text.ts';
import { createReorderWindow, type ReorderWindow } from '../text/reorder.ts';
import { createThreadNames, type ThreadNames } from '../text/thread-names.ts';
import { createLinePrefix, type LinePrefix } from './line-prefix.ts';
import type { Oddity } from './other-lines.ts';

/** Time column of the input: not yet seen, seconds with a fraction, plain integers. */
export const CLOCK_UNSEEN = 0;
export const CLOCK_SECONDS = 1;
export const CLOCK_INTEGER = 2;

/** Longest text that lines are joined to: joining reads the whole text again. */
export const MAX_JOINED = 8192;

/** Rows that one line can add: the event and a loss before it. */
export const ROWS_PER_LINE = 2;

export interface LineState {
  readonly context: TraceContext;
  readonly events: EventText;
  readonly threads: ThreadNames;
  readonly prefix: LinePrefix;
  readonly window: ReorderWindow;
  clock: number;
  /** Ticks of the clock `uptime` are 1/100 s. */
  uptime: boolean;
  seconds: number;
  readonly secondWords: Uint32Array;
  /** CPU → events lost before its next event (−1: unknown how many); high words beyond 2^53 do not occur. */
  readonly losses: Map<number, number>;
  /** Row of the last event line, −1: none that a continuation could belong to. */
  lastRow: number;
  lastStatus: number;
  /** Its text in the reader's buffer, or in `joined` once a line was added. */
  lastText: number;
  lastEnd: number;
  readonly joined: Uint8Array;
  joinedLength: number;
  joinedLines: number;
  /** CLOCK words of the last row that was written, for losses at the end. */
  readonly lastTime: Uint32Array;
  anyEvent: boolean;
  lines: number;
  unread: number;
  firstOddity: Oddity;
}

export function createLineState(context: TraceContext): LineState {
  return {
    context,
    events: createEventText(context),
    threads: createThreadNames(context),
    prefix: createLinePrefix(),
    window: createReorderWindow(),
    clock: CLOCK_UNSEEN,
    uptime: false,
    seconds: -1,
    secondWords: new Uint32Array(2),
    losses: new Map(),
    lastRow: -1,
    lastStatus: NO_EVENT,
    lastText: 0,
    lastEnd: 0,
    joined: new Uint8Array(MAX_JOINED + 64),
    joinedLength: 0,
    joinedLines: 0,
    lastTime: new Uint32Array(2),
    anyEvent: false,
    lines: 0,
    unread: 0,
    firstOddity: 'other',
  };
}
