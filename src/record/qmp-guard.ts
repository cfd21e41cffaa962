/**
 * A process of its own that brings a QEMU back to what it was if the recorder dies without doing so (SIGKILL, out of
 * memory). Standard input: one JSON line per state (QemuUndo), then `done`; its end without `done` means that the
 * recorder is gone, or, after `alive`, that it could not reach QEMU. Signals of the terminal are not for it.
 */
import { createInterface } from 'node:readline';
import { collectForTheDead } from './qemu-file.ts';
import { type QemuUndo, undoQemu } from './qemu-undo.ts';
import { connectQmp, QmpError } from './qmp.ts';

const RETRY_MS = 100;
/** A monitor serves one program at a time, and QEMU may be slow to notice that the recorder is gone. */
const TRY_FOR_MS = 30_000;

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
  const restored = await restore(undo);
  if (undo.ours !== null && !alive) collectForTheDead(undo.ours);
  process.exit(restored ? 0 : 1);
});

async function restore(undo: QemuUndo): Promise<boolean> {
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
