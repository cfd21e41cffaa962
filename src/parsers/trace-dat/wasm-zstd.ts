/**
 * zstd's own decoder compiled to WebAssembly (package @foxglove/wasm-zstd): several times faster than one in JavaScript.
 * The package loads it asynchronously; its parts are put together here instead, because parsers are synchronous.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Decompress } from './decompress.ts';

/** The part of the global that is used here; Node's type declarations leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** What the package's glue code puts into the object that it is given. */
interface Library {
  /** All of its memory; another array once that has grown. */
  readonly HEAPU8: Uint8Array;
  readonly _malloc: (size: number) => number;
  readonly _free: (address: number) => void;
  /** Bytes written, −1 if the frame is damaged or longer than `toSize`. */
  readonly _decompress: (to: number, toSize: number, from: number, fromSize: number) => number;
}

interface Hooks {
  instantiateWasm(imports: object, done: (instance: object) => void): object;
}

/** A piece of the library's memory, kept from one call to the next. */
interface Area {
  address: number;
  size: number;
}

/** Null where WebAssembly cannot be used, or the package is not there. */
export function loadWasmZstd(): Decompress | null {
  const library = load();
  if (library === null) return null;
  const from: Area = { address: 0, size: 0 };
  const to: Area = { address: 0, size: 0 };
  return (data, plain, target) => {
    reserve(library, from, data.length);
    reserve(library, to, plain);
    library.HEAPU8.set(data, from.address);
    const size = library._decompress(to.address, plain, from.address, data.length);
    if (size < 0) throw new Error('no valid zstd frame of that size');
    const output = target !== null && target.length === size ? target : new Uint8Array(size);
    output.set(library.HEAPU8.subarray(to.address, to.address + size));
    return output;
  };
}

function load(): Library | null {
  try {
    const require = createRequire(import.meta.url);
    const folder = '@foxglove/wasm-zstd/dist';
    const module = new WebAssembly.Module(readFileSync(require.resolve(`${folder}/wasm-zstd.wasm`)));
    const library: Hooks & Partial<Library> = {
      instantiateWasm(imports, done) {
        const instance = new WebAssembly.Instance(module, imports);
        done(instance);
        return instance.exports;
      },
    };
    (require(`${folder}/wasm-zstd.js`) as (library: Hooks) => void)(library);
    return library._decompress && library.HEAPU8 ? (library as Hooks & Library) : null;
  } catch {
    return null;
  }
}

function reserve(library: Library, area: Area, size: number): void {
  if (area.size >= size) return;
  if (area.address !== 0) library._free(area.address);
  area.size = 0;
  area.address = library._malloc(size);
  if (area.address === 0) throw new Error(`no memory for ${size} bytes`);
  area.size = size;
}
