/**
 * Memory that the hot loops work on: a WebAssembly memory with the compiled kernels (src/kernels/) on it. Columns are
 * typed arrays over it like any others, so TypeScript and kernels share them, and so do threads that join the arena.
 * Memory is handed out from one end and never given back: it goes when nobody refers to the arena any more.
 */
import { readFileSync } from 'node:fs';
import { UsageError } from './errors.ts';
import type { Kernels } from './kernel-functions.ts';

export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
}

/** What another thread needs to join. */
export interface SharedArena {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

const PAGE = 65536;
/**
 * 160 MiB of addresses to begin with, which is enough for most runs, then steps of 16 MiB: growing can take as long as
 * reading a small file, and memory is used only where something is written.
 */
const FIRST_PAGES = 2560;
const STEP_PAGES = 256;
/** 1 GiB. The kernels are built for the same number. */
const MAX_PAGES = 16384;
/** Word 0 is the first free byte; what is handed out begins behind it, on a cache line of its own. */
const START = 64;
const LINE = 64;

let compiled: WebAssembly.Module | null = null;

/** The kernels, compiled once per process. `npm run build` makes the file; from here it is the same way in src/ and dist/. */
function kernelModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../dist/kernels.wasm', import.meta.url)));
  return compiled;
}

/** @throws UsageError where a limit (`ulimit -v`) leaves too few addresses */
export function createArena(): Arena {
  const memory = createMemory();
  new Int32Array(memory.buffer, 0, 1)[0] = START;
  return joinArena({ memory, module: kernelModule() });
}

/** V8 wants 10 GB of addresses, most of them for guard pages in place of checks; none of that is memory in use. */
function createMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true });
  } catch (error) {
    throw new UsageError(
      `no room for working memory (${(error as Error).message})`,
      'Raise the limit of addresses (ulimit -v, systemd LimitAS=) to 12 GB, or set NODE_OPTIONS=--disable-wasm-trap-handler (Node.js 20.15 or later): it needs 1 GB then.',
    );
  }
}

/** The same memory, for this thread's use. */
export function joinArena({ memory, module }: SharedArena): Arena {
  compiled ??= module;
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return { memory, kernels: instance.exports as unknown as Kernels };
}

export function shareArena({ memory }: Arena): SharedArena {
  return { memory, module: kernelModule() };
}

/**
 * Address of `bytes` further bytes, all 0, aligned to a cache line. @throws UsageError when the arena is full
 */
export function allocate({ memory }: Arena, bytes: number): number {
  const size = Math.ceil(bytes / LINE) * LINE;
  const address = Atomics.add(new Int32Array(memory.buffer, 0, 1), 0, size);
  const missing = address + size - memory.buffer.byteLength;
  // Another thread may grow it as well: then there is room for both.
  if (missing > 0) {
    const pages = Math.ceil(missing / PAGE);
    const left = MAX_PAGES - memory.buffer.byteLength / PAGE;
    try {
      memory.grow(Math.max(pages, Math.min(STEP_PAGES, left)));
    } catch {
      throw new UsageError(
        'the input needs more than 1 GiB of working memory',
        'It names millions of threads, or the like: it is damaged, or of no real host.',
      );
    }
  }
  return address;
}

/** Bytes that can still be handed out. */
export function roomOf({ memory }: Arena): number {
  return MAX_PAGES * PAGE - Atomics.load(new Int32Array(memory.buffer, 0, 1), 0);
}

export function allocateU8(arena: Arena, length: number): Uint8Array {
  const address = allocate(arena, length);
  return new Uint8Array(arena.memory.buffer, address, length);
}

export function allocateU16(arena: Arena, length: number): Uint16Array {
  const address = allocate(arena, 2 * length);
  return new Uint16Array(arena.memory.buffer, address, length);
}

export function allocateU32(arena: Arena, length: number): Uint32Array {
  const address = allocate(arena, 4 * length);
  return new Uint32Array(arena.memory.buffer, address, length);
}

export function allocateI32(arena: Arena, length: number): Int32Array {
  const address = allocate(arena, 4 * length);
  return new Int32Array(arena.memory.buffer, address, length);
}

export function allocateF64(arena: Arena, length: number): Float64Array {
  const address = allocate(arena, 8 * length);
  return new Float64Array(arena.memory.buffer, address, length);
}
