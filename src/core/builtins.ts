/** Modules of Node.js that few runs need, loaded at the first use: each takes 2 ms, of some 20 before the first event. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const zlib = (): typeof import('node:zlib') => require('node:zlib');

export const workerThreads = (): typeof import('node:worker_threads') => require('node:worker_threads');
