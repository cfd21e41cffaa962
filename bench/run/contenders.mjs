// Who runs on which file, and what is installed.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { REPO } from './bases.mjs';

export const CLI = path.join(REPO, 'bin/kvmtrace.js');

/** One command line on one file.
 * @typedef {object} Contender
 * @property {string} name as shown
 * @property {string} tool key of the installed tools
 * @property {(file: string, scratch: string) => string[]} argv
 * @property {boolean} [keepStdout]
 * @property {boolean} [ours]
 * @property {number} [goal] our report may take at most this many times what this command takes
 */

/** @type {Contender} */
const report = {
  name: 'kvmtrace report',
  tool: 'kvmtrace',
  argv: (file) => [process.execPath, CLI, 'report', file, '--format', 'json'],
  keepStdout: true,
  ours: true,
};

/** @type {Contender} */
const cat = { name: 'cat', tool: 'cat', argv: (file) => ['cat', file] };

/** @param {number} goal @returns {Contender} */
const traceCmd = (goal) => ({
  name: 'trace-cmd report',
  tool: 'trace-cmd',
  argv: (file) => ['trace-cmd', 'report', '-i', file],
  goal,
});

/** What is built, and who reads it. `zstd` lets trace-cmd compress the amplified file; `capture` lets kvmtrace convert it.
 * @typedef {{ kind: string, base: string, zstd?: boolean, capture?: boolean, contenders: Contender[] }} Dataset */

/** @param {{ simpletrace: string[] }} found @returns {Dataset[]} */
export function datasets({ simpletrace }) {
  return [
    {
      kind: 'perf.data',
      base: 'perf.data',
      contenders: [
        report,
        {
          name: 'perf kvm stat report',
          tool: 'perf',
          argv: (file) => ['perf', 'kvm', '-i', file, 'stat', 'report'],
          goal: 0.5,
        },
        { name: 'perf script', tool: 'perf', argv: (file) => ['perf', 'script', '-i', file] },
        {
          name: 'kvmtrace convert',
          tool: 'kvmtrace',
          argv: (file, scratch) => [
            process.execPath,
            CLI,
            'convert',
            file,
            '-o',
            path.join(scratch, 'out.arrow'),
          ],
        },
        cat,
      ],
    },
    {
      kind: 'capture.arrow',
      base: 'perf.data',
      capture: true,
      contenders: [report, cat],
    },
    { kind: 'trace.dat v6', base: 'trace.dat v6', contenders: [report, traceCmd(1 / 15), cat] },
    {
      kind: 'trace.dat v7 zstd',
      base: 'trace.dat v7',
      zstd: true,
      contenders: [report, traceCmd(1 / 5), cat],
    },
    {
      kind: 'trace_pipe text',
      base: 'trace_pipe text',
      contenders: [
        report,
        {
          name: 'grep -c kvm_exit',
          tool: 'grep',
          argv: (file) => ['grep', '-c', 'kvm_exit', file],
          keepStdout: true,
        },
        { name: 'wc -l', tool: 'wc', argv: (file) => ['wc', '-l', file], keepStdout: true },
        cat,
      ],
    },
    {
      kind: 'simpletrace',
      base: 'simpletrace',
      contenders: [
        report,
        { name: 'simpletrace.py', tool: 'simpletrace.py', argv: (file) => [...simpletrace, file] },
        cat,
      ],
    },
  ];
}

/** Versions of what is installed; null for what is not.
 * @param {{ script?: string | undefined, events?: string | undefined }} qemu
 * @returns {{ versions: Record<string, string | null>, simpletrace: string[] }}
 */
export function installed(qemu) {
  const simpletrace = qemu.script && qemu.events ? ['python3', qemu.script, qemu.events] : [];
  const usable = simpletrace.length > 0 && existsSync(simpletrace[1]) && existsSync(simpletrace[2]);
  return {
    simpletrace,
    versions: {
      kvmtrace: firstLine([process.execPath, CLI, '--version']),
      node: process.version,
      perf: firstLine(['perf', '--version']),
      'trace-cmd': firstLine(['trace-cmd', '--version']),
      'simpletrace.py': usable ? firstLine(['python3', '--version']) : null,
      grep: firstLine(['grep', '--version']),
      wc: firstLine(['wc', '--version']),
      cat: firstLine(['cat', '--version']),
    },
  };
}

/** @param {string[]} argv */
function firstLine(argv) {
  const run = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  if (run.error || (run.status !== 0 && argv[0] !== 'trace-cmd')) return null;
  const line = `${run.stdout}${run.stderr}`.split('\n').find((text) => /\d/.test(text));
  return line?.trim() ?? null;
}
