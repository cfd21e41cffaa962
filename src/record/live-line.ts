/** What a recording shows while it runs: one line on a terminal, drawn over; elsewhere nothing. */
import { formatBytes, formatCount } from '../core/units.ts';

export interface LiveFacts {
  readonly seconds: number;
  readonly bytes: number;
  /** Null where the backend does not tell: perf, text. */
  readonly events: number | null;
  readonly eventsPerSecond: number | null;
  readonly lost: number | null;
}

export function liveText(facts: LiveFacts): string {
  const parts = [`${facts.seconds.toFixed(0)} s`];
  if (facts.events !== null) parts.push(`${formatCount(facts.events)} events`);
  if (facts.eventsPerSecond !== null) parts.push(`${formatCount(facts.eventsPerSecond)}/s`);
  parts.push(formatBytes(facts.bytes));
  if (facts.lost !== null) parts.push(`${formatCount(facts.lost)} lost`);
  return `recording  ${parts.join('  ')}  (Ctrl-C stops)`;
}

interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface LiveLine {
  draw(facts: LiveFacts): void;
  /** A line that stays. */
  say(text: string): void;
  /** The same, for who sees no live line: logs, scripts. */
  sayElsewhere(text: string): void;
  clear(): void;
  /** Writes nothing any more. */
  silence(): void;
}

export function createLiveLine(stream: Terminal, quiet: boolean, env: NodeJS.ProcessEnv): LiveLine {
  const live = !quiet && stream.isTTY === true && env.TERM !== 'dumb';
  let drawn = false;
  let silent = false;
  const clear = () => {
    if (drawn && !silent) stream.write('\r\x1b[K');
    drawn = false;
  };
  const say = (text: string) => {
    clear();
    if (!silent) stream.write(`${text}\n`);
  };
  return {
    draw(facts) {
      if (!live || silent) return;
      stream.write(`\r${liveText(facts).slice(0, Math.max(20, (stream.columns || 80) - 1))}\x1b[K`);
      drawn = true;
    },
    say,
    sayElsewhere: (text) => {
      if (!quiet && !live) say(text);
    },
    clear,
    silence: () => {
      silent = true;
    },
  };
}
