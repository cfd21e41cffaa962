/** Signals that end a recording: counted, so that the first finishes it and a later one hurries. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface SignalWatch {
  /** How many arrived. */
  readonly count: number;
  /** The terminal is gone: nothing may be written to it any more. */
  readonly hungUp: boolean;
  /** A hang-up is nothing to us, nor shall it be to the command. */
  readonly underNohup: boolean;
  /** Called for each one from now on; replaces the one before. */
  listen(take: (() => void) | null): void;
  /** Signals do again what they usually do. */
  close(): void;
}

export interface SignalSettings {
  /** A line for the user, of what a signal did not do, or why it ended the recording. */
  readonly tell?: (text: string) => void;
  /** Messages go to the terminal, so none can be read after a hang-up. */
  readonly toTerminal?: boolean;
  /** A hang-up is nothing to us. */
  readonly underNohup?: boolean;
}

export function watchSignals({
  tell = () => {},
  toTerminal = true,
  underNohup = false,
}: SignalSettings = {}): SignalWatch {
  let count = 0;
  let hungUp = false;
  let listener: (() => void) | null = null;
  const take = (signal: NodeJS.Signals) => {
    if (signal === 'SIGHUP' && underNohup) return;
    count++;
    if (signal === 'SIGHUP' && toTerminal) hungUp = true;
    else if (signal === 'SIGHUP')
      tell('the terminal was closed, which ends a recording; to outlive it: setsid kvmtrace record …');
    listener?.();
  };
  // It would leave QEMU's side and the limits without anybody who looks after them.
  const stopped = () => tell('Ctrl-Z is not for a recording: it goes on; Ctrl-C ends it');
  for (const signal of SIGNALS) process.on(signal, take);
  process.on('SIGTSTP', stopped);
  return {
    underNohup,
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
