/** What the terminal can do and what the user wants of it; the progress line. */
import { plainText } from '../core/plain-text.ts';
import { formatBytes } from '../core/units.ts';
import type { Output } from './standard-streams.ts';

export type ColorChoice = 'auto' | 'always' | 'never';

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** no-color.org: any non-empty NO_COLOR means none; --color goes before both. */
export function wantsColor(choice: ColorChoice, stream: Stream, env: NodeJS.ProcessEnv): boolean {
  if (choice !== 'auto') return choice === 'always';
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** Columns of the terminal, null where the output is no terminal. */
export function terminalWidth(stream: Stream): number | null {
  return stream.isTTY === true && stream.columns ? stream.columns : null;
}

export interface Progress {
  update(done: number, total: number | null): void;
  /** Removes the line. */
  clear(): void;
}

const REDRAW_MS = 100;

/** One line on stderr that is drawn over; silent unless stderr is a terminal. */
export function createProgress(
  stream: Output,
  label: string,
  quiet: boolean,
  env: NodeJS.ProcessEnv,
): Progress {
  if (quiet || stream.isTTY !== true || env.TERM === 'dumb') return { update() {}, clear() {} };
  let drawn = false;
  let last = Date.now();
  return {
    update(done, total) {
      const now = Date.now();
      if (now - last < REDRAW_MS) return;
      last = now;
      drawn = true;
      const share = total ? ` ${bar(done / total)} of ${formatBytes(total)}` : ` ${formatBytes(done)}`;
      const text = `${plainText(label)}${share}`.slice(-Math.max(20, (stream.columns || 80) - 1));
      stream.write(`\r${text}\x1b[K`);
    },
    clear() {
      if (drawn) stream.write('\r\x1b[K');
      drawn = false;
    },
  };
}

const BAR_COLUMNS = 24;

/** `[######------] 50%` */
function bar(share: number): string {
  const part = Math.min(1, share);
  const filled = Math.floor(part * BAR_COLUMNS);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_COLUMNS - filled)}] ${Math.floor(100 * part)}%`;
}

const PAUSE_MS = 100;

/** See PipelineHooks.pause. */
export function createPause(): () => Promise<void> | undefined {
  let last = Date.now();
  return () => {
    const now = Date.now();
    if (now - last < PAUSE_MS) return undefined;
    last = now;
    return new Promise((resolve) => setImmediate(resolve));
  };
}
