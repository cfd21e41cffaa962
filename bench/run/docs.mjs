// docs/performance.md: only what stands between the two marks is ours; the words around it are written by people.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { markdownTable } from './table.mjs';

const BEGIN = '<!-- bench:begin (written by npm run bench -- --write-docs) -->';
const END = '<!-- bench:end -->';

/**
 * @param {string} file
 * @param {{ machine: { cpu: string, cores: number, memoryGb: number, kernel: string, date: string },
 *   versions: Record<string, string | null>, skipped: string[], failed: string[],
 *   rows: import('./table.mjs').Row[] }} result
 */
export function writeDocs(file, { machine, versions, skipped, failed, rows }) {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : `# Performance\n\n${BEGIN}\n${END}\n`;
  const begin = old.indexOf(BEGIN);
  const end = old.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${file} has no line "${BEGIN}" … "${END}"`);
  const text = [
    BEGIN,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.kernel}, ${machine.date}.`,
    '',
    markdownTable(rows).trimEnd(),
    '',
    ...Object.entries(versions).map(([tool, version]) => `- ${tool}: ${version ?? 'not installed'}`),
    ...failed.map((note) => `- failed: ${note}`),
    ...skipped.map((note) => `- skipped: ${note}`),
    '',
    '',
  ].join('\n');
  writeFileSync(file, old.slice(0, begin) + text + old.slice(end));
}
