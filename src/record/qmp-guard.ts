/**
 * A process of its own that brings a QEMU back to what it was if the recorder does not: because it died (SIGKILL, out of
 * memory), or because it is stopped (SIGSTOP) when the recording ends. Standard input: one JSON line per state (QemuUndo),
 * then `done`; its end without `done` means that the recorder is gone, or, after `alive`, that it could not reach QEMU.
 * Signals of the terminal are not for it. Descriptor 3 is the recorder's connection to QEMU, whose monitor serves one
 * program at a time: it is ended first.
 */
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { isCrowded } from './output-place.ts';
import { readProcess } from './process-state.ts';
import { collectForTheDead } from './qemu-file.ts';
import { type QemuUndo, undoQemu } from './qemu-undo.ts';
import { connectQmp, endConnection, QmpError } from './qmp.ts';

const CONNECTION_FD = 3;
const RETRY_MS = 100;
/** A monitor serves one program at a time, and QEMU may be slow to notice that the recorder is gone. */
const TRY_FOR_MS = 30_000;
const LOOK_MS = 2000;
/** Looks at which a recorder was stopped and its recording over; a helper that is stopped, too, ends when its watchdog says so. */
const LOOKS = 3;
const LOOKS_AT_STOPPED = 15;

const recorder = process.ppid;
let undo: QemuUndo | null = null;
let done = false;
let alive = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGPIPE'] as const)
  process.on(signal, () => {});
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (line === 'done') done = true;
  else if (line === 'alive') alive = true;
  else undo = JSON.parse(line);
  if (!process.stdout.destroyed) process.stdout.write('ok\n');
});
process.stdout.on('error', () => {});
lines.on('close', async () => {
  if (done || undo === null) process.exit(0);
  clearInterval(looking);
  await switchingBack;
  const restored = await restore(undo);
  if (undo.ours !== null && !alive) collectForTheDead(undo.ours);
  process.exit(restored ? 0 : 1);
});

let looks = 0;
/** For a recorder that is stopped; it finishes by itself when it goes on. */
let switchingBack: Promise<unknown> | null = null;
const looking = setInterval(() => {
  if (undo === null || switchingBack !== null) return;
  const enough = looksAllowed(undo);
  looks = enough === null ? 0 : looks + 1;
  if (enough === null || looks < enough) return;
  switchingBack = restore(undo).then((restored) => {
    if (!restored) switchingBack = null;
  });
}, LOOK_MS);

/** Null: the recorder runs, or is stopped in a recording whose limits the helper still keeps. */
function looksAllowed({ helper, ours }: QemuUndo): number | null {
  if (helper === null || !isStopped(readProcess(recorder)?.state)) return null;
  const now = readProcess(helper.pid);
  if (now?.start !== helper.start || (ours !== null && isCrowded(ours.folder))) return LOOKS;
  return isStopped(now.state) ? LOOKS_AT_STOPPED : null;
}

function isStopped(state: string | undefined): boolean {
  return state === 'T' || state === 't';
}

let isConnected = true;

/** Ends the recorder's connection, also for itself. */
function disconnect(): void {
  if (!isConnected) return;
  isConnected = false;
  try {
    const connection = new Socket({ fd: CONNECTION_FD, readable: false, writable: true });
    connection.on('error', () => {});
    endConnection(connection);
  } catch {
    // It had none to hand over.
  }
}

async function restore(undo: QemuUndo): Promise<boolean> {
  disconnect();
  for (const until = Date.now() + TRY_FOR_MS; Date.now() < until; ) {
    try {
      const qmp = await connectQmp(undo.socket, 1000);
      const failures = await undoQemu(qmp, undo);
      qmp.close();
      if (failures.length === 0) return true;
    } catch (error) {
      if (error instanceof QmpError && error.ended) return true;
    }
    await new Promise((tick) => setTimeout(tick, RETRY_MS));
  }
  return false;
}
