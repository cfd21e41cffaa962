/**
 * Loads the files of the bundle: CommonJS, compiled from V8's code cache where this build has one for this very Node.js.
 * V8 itself refuses a cache of another version or with other flags, and then compiles as ever, as it does where there is
 * none. The bundler puts this file beside them.
 */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

/** Name of the folder of caches: V8 does not check the processor's architecture. */
const CACHES = `cache-${process.version}-${process.platform}-${process.arch}`;

/** @typedef {{ exports: any, script: import('node:vm').Script }} Chunk */
/** @type {Map<string, Chunk>} */
const chunks = new Map();

/** What `require` is in the bundle. @param {string} id */
function load(id) {
  if (!id.startsWith('./')) return require(id);
  const chunk = chunks.get(id);
  if (chunk) return chunk.exports;
  const path = join(__dirname, id);
  // Read as latin1, which needs no decoding: the bundler has escaped everything else.
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'latin1')}\n})`;
  const cachedData = readCache(id);
  // The name in stack traces is kept in the cache, so it must not be one of the machine that made it.
  const filename = `dist/bundle/${id.slice(2)}`;
  const script = new Script(source, cachedData ? { filename, cachedData } : { filename });
  const module = { exports: {}, script };
  chunks.set(id, module);
  script.runInThisContext()(module.exports, load, module, path, __dirname);
  return module.exports;
}

/** @param {string} id */
function readCache(id) {
  try {
    return readFileSync(join(__dirname, CACHES, `${id}.cache`));
  } catch {
    return undefined;
  }
}

module.exports = { load, chunks, CACHES };
