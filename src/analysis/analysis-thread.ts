/**
 * The worker thread that analyses beside the parser (offload.ts): its memory, and its start. A command that will read a
 * large recording launches it before anything else is loaded, so that it is ready, and warm, when the first events come.
 */
import type { Worker } from 'node:worker_threads';
import { type Arena, createArena, type SharedArena, shareArena } from '../core/arena.ts';
import { workerThreads } from '../core/builtins.ts';
import { type ArenaBatch, createArenaBatch } from '../core/event-batch.ts';

/**
 * Batches in the ring, of 8 Ki rows: enough that parsing goes on while the worker starts, and few enough that most of what
 * one thread has written is still in a cache when the other one reads it.
 */
export const RING = 16;
export const RING_ROWS = 8192;
/**
 * A thread that waits is woken for this many batches at a time: waking it costs the other one up to 0.1 ms where the CPU
 * has gone to sleep meanwhile, as it does in a VM.
 */
export const WAKE_BATCHES = 4;
/** Words of the control block: batches handed over, done with, worker failed, task sent; then the batches' lengths. */
export const HANDED = 0;
export const DONE = 1;
export const FAILED = 2;
export const TASK = 3;
export const LENGTHS = 4;
/** Length that ends the stream. */
export const END = -1;

/** What both threads work on. The worker has `control` from its start, the rest comes with its task. */
export interface ThreadMemory {
  readonly control: Int32Array;
  readonly arena: SharedArena;
  /** Tables of the ring's batches there. */
  readonly tables: readonly number[];
}

/** The worker's only message (sendTask). */
export interface ThreadMessage<Task> {
  readonly memory: ThreadMemory;
  readonly task: Task;
}

export interface AnalysisThread {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly arena: Arena;
  readonly batches: readonly ArenaBatch[];
}

/** Workers run compiled files only: not under a TypeScript runner. */
export function canOffload(): boolean {
  return import.meta.filename.endsWith('.js');
}

let launched: AnalysisThread | null = null;

/** Starts a thread that runs the file `script`, ahead of time, for whoever takes it first, if that has not been done. */
export function launchThread(script: string): AnalysisThread {
  if (launched === null) {
    launched = createThread(script);
    // Nobody waits for it until it has been taken.
    launched.worker.unref();
  }
  return launched;
}

/** The thread that was launched, else a new one. */
export function takeThread(script: string): AnalysisThread {
  const thread = launched ?? createThread(script);
  launched = null;
  thread.worker.ref();
  return thread;
}

/** Tells a thread that was taken what to do; the promise is for what it answers. */
export function sendTask<Task, Result>(thread: AnalysisThread, task: Task): Promise<Result> {
  const { worker, control, arena, batches } = thread;
  const result = new Promise<Result>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`analysis thread ended with status ${code}`)));
  });
  // Who awaits it learns of a failure; until then it must not count as unhandled.
  result.catch(() => {});
  const memory = { control, arena: shareArena(arena), tables: batches.map(({ table }) => table) };
  worker.postMessage({ memory, task } satisfies ThreadMessage<Task>);
  Atomics.store(control, TASK, 1);
  Atomics.notify(control, TASK);
  return result;
}

/** Ends a launched thread that turns out not to be needed. */
export function dropThread(): void {
  void launched?.worker.terminate();
  launched = null;
}

function createThread(script: string): AnalysisThread {
  const control = new Int32Array(new SharedArrayBuffer(4 * (LENGTHS + RING)));
  const { Worker } = workerThreads();
  // It takes longer to start than all the rest here.
  const worker = new Worker(script, { workerData: control, execArgv: [] });
  const arena = createArena();
  const batches = Array.from({ length: RING }, () => createArenaBatch(arena, RING_ROWS));
  for (const batch of batches) batch.text.fill(-1);
  return { control, arena, batches, worker };
}
