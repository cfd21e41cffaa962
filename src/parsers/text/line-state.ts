/** What the loop over the lines of a text format remembers. */
import type { TraceContext } from '../../core/trace-context.ts';
import type { ParseOptions } from '../trace-format.ts';
import { createEventText, type EventText, NO_EVENT } from './event-text.ts';
import type { LineDialect, Oddity } from './line-dialect.ts';
import { createLineHeads, type LineHeads } from './line-heads.ts';
import { createLinePrefix, type LinePrefix } from './line-prefix.ts';
import { createReorderWindow, type ReorderWindow } from './reorder.ts';
import { createThreadNames, type ThreadNames } from './thread-names.ts';

/** Time column of the input: not yet seen, seconds with a fraction, plain integers, differences. */
export const CLOCK_UNSEEN = 0;
export const CLOCK_SECONDS = 1;
export const CLOCK_INTEGER = 2;
/** Seconds since the line before. */
export const CLOCK_DELTAS = 3;

/** Longest text that lines are joined to: joining reads the whole text again. */
export const MAX_JOINED = 8192;

/** Longest line that ends behind its time and waits for its event. */
export const MAX_WAITING = 256;

/** Rows that one line can add: the event and a loss before it. */
export const ROWS_PER_LINE = 2;

/** A file or instance of a report of several. */
export interface Origin {
  /** '' for the top buffer. */
  readonly name: string;
  /** 1 by code of the events that it recorded. */
  readonly events: Uint8Array;
}

export interface LineState {
  readonly dialect: LineDialect;
  readonly context: TraceContext;
  /** Name of the input, for messages. */
  readonly input: string;
  readonly events: EventText;
  readonly threads: ThreadNames;
  readonly heads: LineHeads | null;
  readonly prefix: LinePrefix;
  readonly window: ReorderWindow;
  clock: number;
  /** Ticks of the clock `uptime` are 1/100 s. */
  uptime: boolean;
  seconds: number;
  /** First time of CLOCK_SECONDS in ns, as near as a double has it. */
  firstNs: number;
  /** Sum of CLOCK_DELTAS in ns: keeps the order of the lines, no more. */
  deltas: number;
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
  readonly joinedView: DataView;
  joinedLength: number;
  joinedLines: number;
  /** A line that ended behind its time. */
  readonly waiting: Uint8Array;
  waitingLength: number;
  /** CLOCK words of the last row that was written, for losses at the end. */
  readonly lastTime: Uint32Array;
  anyEvent: boolean;
  /** A line with all its columns was seen: lines that begin with a time are no events then. */
  anyThread: boolean;
  lines: number;
  /** Lines that nothing is known of, and the number of the first. */
  unreadable: number;
  firstUnreadable: number;
  /** Lines that cannot be read for a known reason. */
  odd: number;
  firstOddity: Oddity | null;
  /** Events whose line does not tell the thread. */
  threadless: number;
  /** kvm_userspace_exit events whose text may have lost an error. */
  doubtfulExits: number;
  /** Files or instances named in front of the lines, by a hash of their columns. */
  readonly origins: Map<number, Origin>;
}

export function createLineState(
  dialect: LineDialect,
  context: TraceContext,
  input: string,
  options: ParseOptions,
): LineState {
  const joined = new Uint8Array(MAX_JOINED + 64);
  const threads = createThreadNames(context);
  return {
    dialect,
    context,
    input,
    events: createEventText(context, options),
    threads,
    heads: dialect.head && createLineHeads(dialect.head, threads),
    prefix: createLinePrefix(),
    window: createReorderWindow(),
    clock: CLOCK_UNSEEN,
    uptime: false,
    seconds: -1,
    firstNs: 0,
    deltas: 0,
    secondWords: new Uint32Array(2),
    losses: new Map(),
    lastRow: -1,
    lastStatus: NO_EVENT,
    lastText: 0,
    lastEnd: 0,
    joined,
    joinedView: new DataView(joined.buffer),
    joinedLength: 0,
    joinedLines: 0,
    waiting: new Uint8Array(MAX_WAITING),
    waitingLength: 0,
    lastTime: new Uint32Array(2),
    anyEvent: false,
    anyThread: false,
    lines: 0,
    unreadable: 0,
    firstUnreadable: 0,
    odd: 0,
    firstOddity: null,
    threadless: 0,
    doubtfulExits: 0,
    origins: new Map(),
  };
}
