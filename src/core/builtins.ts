/** Modules of Node.js that few runs need, loaded at the first use: each takes 2 ms, of some 20 before the first event. */

export const stream = (): typeof import('node:stream') => process.getBuiltinModule('node:stream');

export const zlib = (): typeof import('node:zlib') => process.getBuiltinModule('node:zlib');

export const v8 = (): typeof import('node:v8') => process.getBuiltinModule('node:v8');

export const workerThreads = (): typeof import('node:worker_threads') =>
  process.getBuiltinModule('node:worker_threads');
