/** The capture helper's status lines (native/README.md, "For a program that starts it"): one JSON object per line. */

export interface StartLine {
  readonly type: 'start';
  readonly pid: number;
  /** The process that finishes the file if the helper is killed; 0: there is none. */
  readonly watchdog: number;
  readonly instance: string;
  readonly bufferKb: number;
  /** Tracepoints that are on. */
  readonly events: number;
}

export interface ProgressLine {
  readonly type: 'status';
  readonly seconds: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly bytes: number;
  readonly lost: number;
}

export interface EndLine {
  readonly type: 'end';
  /** signal, duration, size, command, target-gone, pipe-closed, disk-full, disk-low, io-error, watchdog, stalled. */
  readonly reason: string;
  readonly seconds: number;
  readonly events: number;
  readonly bytes: number;
  readonly lost: number;
  /** Recorded, but not in the file. */
  readonly left: number;
  readonly droppedBytes: number;
}

export interface MessageLine {
  readonly type: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** Another watchdog took the place of the first. */
export interface WatchdogLine {
  readonly type: 'watchdog';
  readonly pid: number;
}

export type StatusLine = StartLine | WatchdogLine | ProgressLine | EndLine | MessageLine;

/** A number that is none counts as 0: an older helper may not send it. */
const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Null for what is no status line, or one of a type that came later than this program. */
export function parseStatusLine(line: string): StatusLine | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const keys = value as Record<string, unknown>;
  switch (keys.type) {
    case 'start':
      return {
        type: 'start',
        pid: count(keys.pid),
        watchdog: count(keys.watchdog),
        instance: text(keys.instance),
        bufferKb: count(keys.bufferKb),
        events: count(keys.events),
      };
    case 'watchdog':
      return { type: 'watchdog', pid: count(keys.pid) };
    case 'status':
      return {
        type: 'status',
        seconds: count(keys.seconds),
        events: count(keys.events),
        eventsPerSecond: count(keys.eventsPerSecond),
        bytes: count(keys.bytes),
        lost: count(keys.lost),
      };
    case 'end':
      return {
        type: 'end',
        reason: text(keys.reason),
        seconds: count(keys.seconds),
        events: count(keys.events),
        bytes: count(keys.bytes),
        lost: count(keys.lost),
        left: count(keys.left),
        droppedBytes: count(keys.droppedBytes),
      };
    case 'info':
    case 'warning':
    case 'error':
      return {
        type: keys.type,
        code: text(keys.code),
        message: text(keys.message),
        hint: typeof keys.hint === 'string' && keys.hint !== '' ? keys.hint : null,
      };
    default:
      return null;
  }
}
