/** SHA-256 of the inputs, computed beside the conversion in a worker thread so that it costs no time of its own. */
import { Worker } from 'node:worker_threads';

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const { openSync, readSync, closeSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');
const chunk = Buffer.allocUnsafe(1 << 20);
const addFile = (hash, path) => {
  const fd = openSync(path, 'r');
  for (let n; (n = readSync(fd, chunk, 0, chunk.length, null)) > 0; ) hash.update(chunk.subarray(0, n));
  closeSync(fd);
};
parentPort.postMessage(workerData.map((path) => {
  if (path === '-') return null;
  try {
    const hash = createHash('sha256');
    const stat = statSync(path);
    if (!stat.isFile() && !stat.isDirectory()) return null;
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) addFile(hash, join(path, name));
    else addFile(hash, path);
    return hash.digest('hex');
  } catch {
    return null;
  }
}));`;

/**
 * Hex digests in the order of `paths`, of a folder that of its files one after the other by name; null for
 * standard input, pipes and files that cannot be read a second time.
 */
export function startChecksums(paths: readonly string[]): Promise<(string | null)[]> {
  return new Promise((resolve) => {
    const worker = new Worker(WORKER, { eval: true, workerData: [...paths] });
    worker.once('message', resolve);
    worker.once('error', () => resolve(paths.map(() => null)));
  });
}
