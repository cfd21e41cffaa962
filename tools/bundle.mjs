#!/usr/bin/env node
/**
 * Bundles dist/ (one file per source, by tsc) into the few files of dist/bundle/ that the program loads: opening,
 * resolving and linking some 300 modules takes longer than analysing a small recording. They are CommonJS, because V8
 * can then be given what it has compiled before (load-chunk.cjs). What is imported dynamically stays in files of its
 * own. Names and lines are kept, so that stack traces can be read.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const BUNDLE = join(DIST, 'bundle');
const dist = (/** @type {string} */ name) => join(DIST, name);

/** Files that are started by name: by bin/kvmtrace.js, as a worker, as a process. */
const ENTRIES = ['commands/main.js', 'commands/analysis-worker.js', 'record/qmp-guard.js'];

const WORKER = 'commands/analysis-worker.js';

/**
 * What a report always needs is one file each: a module goes to the first of these from whose roots static imports lead
 * to it (`shared`: from all of them). Entries stay apart, all other modules are left to the bundler.
 */
const CHUNKS = [
  { name: 'shared', shared: true, roots: ['commands/main.js', WORKER] },
  { name: 'command-line', roots: ['commands/main.js'] },
  { name: 'analysis', roots: [WORKER, 'analysis/offload.js'] },
  // Apart, because the worker wants them and nothing of the report.
  {
    name: 'passes',
    roots: [
      'accesses',
      'exit-detail',
      'qemu-pass',
      'qemu-check',
      'halt-polling',
      'hotspots',
      'intervals',
      'storms',
    ].map((pass) => `analysis/${pass}.js`),
  },
  // As are a worker's blocks of a file.
  { name: 'blocks', roots: ['commands/block-job.js'] },
  { name: 'report', roots: ['commands/report.js', 'commands/pipeline.js'] },
  { name: 'text', roots: ['report/text.js'] },
  // Of parsers: what several share, and the text formats, which are asked together.
  { name: 'records', roots: ['parsers/tracepoint/decoder.js', 'parsers/zstd-stream.js'] },
  { name: 'rows', roots: ['parsers/batch-rows.js', 'parsers/text/row-output.js'] },
  {
    name: 'lines',
    roots: ['ftrace-text', 'trace-cmd-text', 'perf-script', 'qemu-log', 'kernel-log', 'printed-table'].map(
      (format) => `parsers/${format}/index.js`,
    ),
  },
];

/** It finds its WebAssembly beside itself. */
const EXTERNAL = [/^node:/, /^@foxglove\/wasm-zstd/];

/** @param {string} folder where to write */
async function bundle(folder) {
  const build = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(ENTRIES.map((entry) => [entry.replace(/^.*\/|\.js$/g, ''), dist(entry)])),
    platform: 'node',
    external: EXTERNAL,
    plugins: [{ name: 'lazy child_process', transform: loadChildProcessLate }],
    preserveEntrySignatures: 'allow-extension',
    // Also where the constant lies in another file of the bundle: there it would be looked up in `exports` each time.
    optimization: { inlineConst: { mode: 'all', pass: 2 } },
  });
  const { output } = await build.write({
    dir: folder,
    format: 'cjs',
    dynamicImportInCjs: false,
    externalLiveBindings: false,
    esModule: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    minify: false,
    minifyInternalExports: false,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'what a report needs', name: chunkOf() }],
    },
  });
  await build.close();
  return output.filter((part) => part.type === 'chunk');
}

/**
 * commander loads child_process for commands that are programs of their own, which kvmtrace has none of.
 * @param {string} code @param {string} id
 */
function loadChildProcessLate(code, id) {
  if (!id.endsWith('/commander/lib/command.js')) return null;
  const line = "const childProcess = require('node:child_process');\n";
  if (!code.includes(line)) throw new Error('commander loads child_process in another way than it did');
  return code.replace(line, '').replaceAll('childProcess.', "require('node:child_process').");
}

/** @typedef {{ getModuleInfo(id: string): { importedIds: string[] } | null }} Graph */

/** @returns {(id: string, graph: Graph) => string | null} */
function chunkOf() {
  /** @type {Map<string, string> | null} */
  let chunks = null;
  return (id, graph) => {
    chunks ??= planChunks(graph);
    // Its helpers are needed by commander.
    return chunks.get(id) ?? (id.includes('rolldown/runtime') ? 'command-line' : null);
  };
}

/** @param {Graph} graph */
function planChunks(graph) {
  const chunks = new Map();
  for (const { name, roots, shared } of CHUNKS) {
    const reached = roots.map((root) => reachable(dist(root), graph));
    for (const module of new Set(reached.flatMap((modules) => [...modules])))
      if (!chunks.has(module) && (!shared || reached.every((modules) => modules.has(module))))
        chunks.set(module, name);
  }
  for (const entry of ENTRIES) if (entry !== 'commands/main.js') chunks.delete(dist(entry));
  return chunks;
}

/** @param {string} root @param {Graph} graph */
function reachable(root, graph) {
  const modules = new Set([root]);
  for (const module of modules)
    for (const imported of graph.getModuleInfo(module)?.importedIds ?? []) modules.add(imported);
  return modules;
}

/** Licences of the packages whose code went into the bundle ask for their text (and notices) to go with it.
 * @param {readonly string[]} modules
 */
function licences(modules) {
  const packages = modules.flatMap((id) => /.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []);
  return [...new Set(packages)].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((entry) => /^(licen[cs]e|notice)(\.(txt|md))?$/i.test(entry));
    if (files.length === 0) throw new Error(`${name} ${version} has no licence text`);
    const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return `${[`${name} ${version}`, ...texts].join('\n\n')}\n`;
  });
}

/**
 * The text of a file as load-chunk.cjs wants it: all of it ASCII, so that it needs no decoding, and exports that are
 * properties instead of functions that return them.
 * @param {string} text
 */
function prepareChunk(text) {
  return text
    .replace(
      /^Object\.defineProperty\(exports, "([\w$]+)", \{\s+enumerable: true,\s+get: function \(\) \{\s+return ([\w$]+);\s+\}\s+\}\);$/gm,
      // What is assigned later has to be asked for again.
      (getter, name, value) =>
        new RegExp(`^let ${value.replaceAll('$', '\\$')}\\b`, 'm').test(text)
          ? getter
          : `exports.${name} = ${value};`,
    )
    .replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Compiles ahead what most runs need (warm-bundle.cjs). @param {string} folder */
function warm(folder) {
  // Flags from the environment would make the cache one for runs with these flags.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'tools/warm-bundle.cjs'), folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    env,
  });
  const made = readdirSync(folder).some((name) => name.startsWith('cache-'));
  if (status !== 0 || !made) throw new Error(`the bundle's code cache could not be made:\n${stderr}`);
}

const fresh = join(DIST, `bundle.${process.pid}.tmp`);
try {
  const chunks = await bundle(fresh);
  for (const { fileName } of chunks) {
    const path = join(fresh, fileName);
    const text = prepareChunk(readFileSync(path, 'utf8'));
    // Started by Node.js, but what it needs is loaded as everything is.
    writeFileSync(
      path,
      fileName === basename(WORKER) ? `require = require("./load.js").load;\n${text}` : text,
    );
  }
  writeFileSync(join(fresh, 'package.json'), '{ "type": "commonjs" }\n');
  copyFileSync(join(ROOT, 'tools/load-chunk.cjs'), join(fresh, 'load.js'));
  const texts = licences(chunks.flatMap(({ modules }) => Object.keys(modules)));
  writeFileSync(
    join(fresh, 'LICENSES.txt'),
    `The files here contain code of these packages:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`,
  );
  warm(fresh);
  // At once, so that programs started meanwhile find all of the old files or all of the new ones.
  const old = `${fresh}.old`;
  if (existsSync(BUNDLE)) renameSync(BUNDLE, old);
  renameSync(fresh, BUNDLE);
  rmSync(old, { recursive: true, force: true });
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
