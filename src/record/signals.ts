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

/** `tell` hears of Ctrl-Z, which would leave QEMU's side and the limits without anybody who looks after them. */
export function watchSignals(tell: (text: string) => void = () => {}): SignalWatch {
  let count = 0;
  let hungUp = false;
  let listener: (() => void) | null = null;
  const take = (signal: NodeJS.Signals) => {
    count++;
    hungUp ||= signal === 'SIGHUP';
    listener?.();
  };
  const stopped = () => tell('Ctrl-Z is not for a recording: it goes on; Ctrl-C ends it');
  for (const signal of SIGNALS) process.on(signal, take);
  process.on('SIGTSTP', stopped);
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
      process.removeListener('SIGTSTP', stopped);
    },
  };
}
