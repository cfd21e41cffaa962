/** Signals that end a recording: counted, so that the first finishes it and a later one hurries. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface SignalWatch {
  /** How many arrived. */
  readonly count: number;
  /** The terminal is gone: nothing may be written to it any more. */
  readonly hungUp: boolean;
  /** Called for each one from now on; replaces the one before. */
  listen(take: (() => void) | null): void;
  /** Signals do again what they usually do. */
  close(): void;
}

export function watchSignals(): SignalWatch {
  let count = 0;
  let hungUp = false;
  let listener: (() => void) | null = null;
  const take = (signal: NodeJS.Signals) => {
    count++;
    hungUp ||= signal === 'SIGHUP';
    listener?.();
  };
  for (const signal of SIGNALS) process.on(signal, take);
  return {
    get count() {
      return count;
    },
    get hungUp() {
      return hungUp;
    },
    listen: (next) => {
      listener = next;
    },
    close: () => {
      for (const signal of SIGNALS) process.removeListener(signal, take);
    },
  };
}
