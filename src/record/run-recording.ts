/** One recording from its start to its files: the helper, QEMU's side and the command, started and ended in this order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';
import type { LiveLine } from './live-line.ts';
import type { OutputPlace } from './output-place.ts';
import type { QemuSession } from './qemu-session.ts';
import type { RecordOptions } from './record-options.ts';
import { type HelperResult, type HelperRun, startHelper } from './run-helper.ts';
import type { SignalWatch } from './signals.ts';
import type { MessageLine, StartLine } from './status-line.ts';

export interface Recorded {
  /** Files that hold it: the kernel's side, and QEMU's if there is one. */
  readonly files: readonly string[];
  readonly result: HelperResult;
  /** Why it ended, in words. */
  readonly why: string;
}

export interface RecordingParts {
  readonly helper: string;
  readonly options: RecordOptions;
  readonly maxBytes: number;
  /** Bytes to be left free on the disk. */
  readonly reserve: number;
  readonly place: OutputPlace;
  readonly qemu: QemuSession;
  readonly live: LiveLine;
  readonly signals: SignalWatch;
  readonly message: (line: MessageLine) => void;
  /** How long perf gets to begin; tests do not wait that long. */
  readonly perfBeginsWithinMs?: number;
}

/** The helper gives perf a minute, and then says so (native/perf.c). One that is older than this program never tells. */
const PERF_BEGINS_WITHIN_MS = 75_000;
/** The helper's own time limit where this program ends the recording: only for the case that it cannot. */
const SPARE_MS = 2000;
const TICK_MS = 1000;

/** Words for the helper's reasons (native/README.md). */
const REASONS: Readonly<Record<string, string>> = {
  size: 'the size limit was reached (--max-size)',
  'target-gone': 'all recorded processes ended',
  'disk-full': 'the disk is full',
  'disk-low': 'the disk is nearly full',
  'io-error': "reading the kernel's buffer or writing the file failed",
  watchdog: 'its watchdog process was killed and could not be replaced',
  stalled: 'it stood still for half a minute, and its watchdog switched the events off',
  duration: 'the time is over',
};

/** @throws UsageError if nothing was recorded. */
export async function runRecording(parts: RecordingParts): Promise<Recorded> {
  const { options, place, qemu, live, signals } = parts;
  const ownTimer = options.durationMs !== null && qemu.active;
  const run = startHelper(parts.helper, helperArguments(parts, ownTimer), {
    progress: (line) => live.draw(line),
    message: parts.message,
  });
  const timers: NodeJS.Timeout[] = [];
  let why: string | null = null;
  let worthKeeping = false;
  let command: ChildProcess | null = null;
  try {
    // Before it is on, a signal ends it as well: the helper then has nothing to keep.
    signals.listen(run.stop);
    if ((await begun(parts, run)) === null) throw nothingRecorded(await run.ended);
    if (options.durationMs === null && options.command.length === 0)
      live.sayElsewhere('kvmtrace: recording until SIGINT or SIGTERM (-d 10s: for ten seconds)');
    const ask = new Promise<string>((stop) => {
      if (signals.count > 0) stop('stopped by a signal');
      signals.listen(() => stop('stopped by a signal'));
      if (ownTimer) timers.push(setTimeout(() => stop(REASONS.duration), options.durationMs!));
      timers.push(
        setInterval(() => {
          if (qemu.bytes() > parts.maxBytes) stop("QEMU's trace reached the size limit (--max-size)");
          if (qemu.isDiskCrowded()) stop('the disk that QEMU writes its trace to is nearly full');
        }, TICK_MS),
      );
    });
    await qemu.begin(run.pid);
    if (options.rawKind !== 'trace.dat') timers.push(watchFile(place.raw, live));
    let commandEnd: Promise<string> = new Promise(() => {});
    if (options.command.length > 0)
      ({ command, end: commandEnd } = startCommand(
        signals.underNohup ? withoutHangup(options.command) : options.command,
      ));
    // Of a helper that was killed the file takes its time: QEMU's side ends before.
    why = await Promise.race([ask, commandEnd, run.exited.then(() => null)]);
    signals.listen(run.stop);
    worthKeeping = true;
    let hasQemu = false;
    try {
      hasQemu = qemu.active && (await qemu.end());
    } catch (error) {
      live.say(`kvmtrace: QEMU's side was not collected: ${plainText((error as Error).message)}`);
    }
    if (why !== null) run.stop();
    const result = await run.ended;
    if (!hasRaw(place.raw)) {
      worthKeeping = hasQemu;
      throw nothingRecorded(result, true);
    }
    return {
      files: hasQemu ? [place.raw, place.qemu] : [place.raw],
      result,
      why: why ?? REASONS[result.end?.reason ?? ''] ?? endOf(result),
    };
  } catch (error) {
    run.stop();
    await run.ended;
    if (command?.exitCode === null) command.kill('SIGTERM');
    if (!worthKeeping) rmSync(place.raw, { force: true });
    throw error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signals.listen(null);
    live.clear();
  }
}

/**
 * Waits for the helper's word that it records. One made before it said so with perf would be waited for in vain, or ends
 * after its time without a word.
 */
async function begun(
  { helper, options, place, signals, perfBeginsWithinMs = PERF_BEGINS_WITHIN_MS }: RecordingParts,
  run: HelperRun,
): Promise<StartLine | null> {
  if (options.rawKind !== 'perf.data') return await run.started;
  const older = (what: string) =>
    new UsageError(
      `${helper} ${what}: it is probably older than this kvmtrace, and does not fit it with --backend perf`,
      'Build it of the sources in this package (native/README.md), or leave --helper and KVMTRACE_HELPER out; or record without --backend perf.',
    );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), perfBeginsWithinMs);
  });
  const start = await Promise.race([run.started, late]);
  clearTimeout(timer);
  if (start === 'late') {
    run.giveUp();
    throw older(`did not say within ${Math.round(perfBeginsWithinMs / 1000)} s that perf records`);
  }
  if (start === null && signals.count === 0 && (await run.ended).status === 0 && hasRaw(place.raw))
    throw older('ended without having said that perf records');
  return start;
}

function helperArguments({ options, maxBytes, reserve, place }: RecordingParts, ownTimer: boolean): string[] {
  const args = ['-q', '-o', place.raw, '--max-size', String(maxBytes), ...options.selection];
  // The same for both programs, so that what one of them takes for enough room is enough for the other.
  args.push('--min-free', String(Math.max(1, reserve)));
  if (options.durationMs !== null) args.push('-d', `${options.durationMs + (ownTimer ? SPARE_MS : 0)}ms`);
  return args;
}

function hasRaw(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** perf and text tell nothing while they run but the size of their file. */
function watchFile(path: string, live: LiveLine): NodeJS.Timeout {
  const begin = Date.now();
  return setInterval(() => {
    const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    live.draw({
      seconds: (Date.now() - begin) / 1000,
      bytes,
      events: null,
      eventsPerSecond: null,
      lost: null,
    });
  }, TICK_MS);
}

/** Node.js starts programs with the usual dispositions of signals, so somebody else has to ignore the hang-up for them. */
function withoutHangup(command: readonly string[]): string[] {
  return ['sh', '-c', 'trap "" HUP; exec "$@"', 'sh', ...command];
}

/** The command gets the terminal; `end` rejects if it cannot be started. */
function startCommand(command: readonly string[]): { command: ChildProcess; end: Promise<string> } {
  const child = spawn(command[0], command.slice(1), { stdio: 'inherit' });
  const end = new Promise<string>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new UsageError(
          `${command[0]}: ${error.code === 'ENOENT' ? 'no such command' : error.message}`,
          'Nothing was recorded. The command comes after --, with its own options.',
        ),
      ),
    );
    child.on('exit', (status, signal) =>
      resolve(
        status === 0
          ? 'the command ended'
          : `the command ended with ${signal === null ? `status ${status}` : signal}`,
      ),
    );
  });
  return { command: child, end };
}

function endOf({ signal, status }: HelperResult): string {
  return signal !== null
    ? `the recorder was killed (${signal})`
    : status === 0
      ? 'it ended'
      : 'the recorder failed';
}

export const WHY_NO_EVENTS =
  'No VM ran meanwhile, or the selection (-p, -t, -C) matches none: look for VMs with pgrep -a qemu.';

/** The helper's error with its advice, else what it or perf said last. */
function nothingRecorded(result: HelperResult, began = false): UsageError {
  const error = result.errors[0];
  const said = result.stderr
    .trim()
    .split('\n')
    .filter((line) => line !== '' && !/^Events (en|dis)abled$/.test(line));
  // perf's own words, which nobody has seen yet, in place of a pointer to them.
  if (error?.code === 'perf' && said.length > 0)
    return new UsageError(error.message, said.slice(0, 6).join('\n'));
  if (error) return new UsageError(error.message, error.hint ?? undefined);
  if (result.signal !== null)
    return new UsageError(`the recorder was killed (${result.signal})`, 'See dmesg: out of memory?');
  if (began && result.status === 0)
    return new UsageError('nothing was recorded: no event came', WHY_NO_EVENTS);
  if (result.status === 0 || said.length === 0)
    return new UsageError('nothing was recorded: stopped before it began');
  return new UsageError(`nothing was recorded: ${said[0]}`, said.slice(1, 6).join('\n') || undefined);
}
