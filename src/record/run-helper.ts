/** Runs kvmtrace-capture and reads its status lines. It ends by itself when this process dies: the pipe closes. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createLineSplitter } from './line-splitter.ts';
import {
  type EndLine,
  type MessageLine,
  type ProgressLine,
  parseStatusLine,
  type StartLine,
} from './status-line.ts';

const STATUS_FD = 3;
const MAX_LINE = 1 << 16;
/** What is kept of standard error: perf's own messages are there. */
const MAX_ERRORS = 8192;
/** How long a file is waited for that the watchdog finishes; it moves gigabytes then, and may be stopped. */
const FINISH_MS = 120_000;
const LOOK_MS = 50;
/** After which one that was given up is killed. */
const PATIENCE_MS = 10_000;

export interface HelperResult {
  /** 0 recorded, 1 recorded but cut short, 2 nothing recorded; null: killed. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly end: EndLine | null;
  readonly errors: readonly MessageLine[];
  readonly stderr: string;
}

export interface HelperRun {
  readonly pid: number;
  /** Tracing is on; null if it ended before (`ended` says why). */
  readonly started: Promise<StartLine | null>;
  readonly ended: Promise<HelperResult>;
  /** Nothing is recorded any more; its watchdog may still have to finish the file. */
  readonly exited: Promise<void>;
  /** Asks it to finish; a second time: at once, without packing the file. */
  stop(): void;
  /** The same, where nothing of it is worth keeping: it is killed if it does not end. */
  giveUp(): void;
}

export interface HelperListener {
  progress(line: ProgressLine): void;
  /** Errors are in HelperResult. */
  message(line: MessageLine): void;
}

export function startHelper(helper: string, args: readonly string[], listener: HelperListener): HelperRun {
  // A session of its own: Ctrl-C reaches this program alone, which first finishes QEMU's side and then asks the helper.
  const child = spawn(helper, [`--status-json=${STATUS_FD}`, ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let end: EndLine | null = null;
  let stderr = '';
  let watchdog = 0;
  const errors: MessageLine[] = [];
  let tellStart: (line: StartLine | null) => void = () => {};
  const started = new Promise<StartLine | null>((resolve) => {
    tellStart = resolve;
  });
  const lines = createLineSplitter((text) => {
    const line = parseStatusLine(text);
    if (line === null) return;
    if (line.type === 'start') {
      watchdog = line.watchdog;
      tellStart(line);
    } else if (line.type === 'watchdog') watchdog = line.pid;
    else if (line.type === 'status') listener.progress(line);
    else if (line.type === 'end') end = line;
    else if (line.type === 'error') {
      if (errors.length < 20) errors.push(line);
    } else listener.message(line);
  }, MAX_LINE);
  const status = child.stdio[STATUS_FD] as Readable;
  status.setEncoding('utf8').on('data', (chunk: string) => lines.push(chunk));
  status.on('error', () => {});
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_ERRORS);
  });
  const ended = new Promise<HelperResult>((resolve) => {
    child.on('error', (error) =>
      errors.push({
        type: 'error',
        code: 'start',
        message: `${helper} cannot be started: ${error.message}`,
        hint: null,
      }),
    );
    child.on('close', (code, signal) => {
      lines.end();
      tellStart(null);
      const done = () => resolve({ status: code, signal, end, errors, stderr });
      if (end === null && watchdog > 0) void untilWatchdogEnds(watchdog).then(done);
      else done();
    });
  });
  const exited = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
  const stop = () => void child.kill('SIGINT');
  const giveUp = () => {
    stop();
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    void ended.then(() => clearTimeout(timer));
  };
  return { pid: child.pid ?? 0, started, ended, exited, stop, giveUp };
}

/** A file whose parts are being moved must not be read: what is read of it may have gone by then. */
async function untilWatchdogEnds(pid: number): Promise<void> {
  const runs = () => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'kvmtrace-watch';
    } catch {
      return false;
    }
  };
  for (const until = Date.now() + FINISH_MS; Date.now() < until && runs(); )
    await new Promise((tick) => setTimeout(tick, LOOK_MS));
}
