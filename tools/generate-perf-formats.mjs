#!/usr/bin/env node
/**
 * Writes src/parsers/perf-data/known-formats.generated.ts: the layouts of the events that exits need, as kernels
 * described them, for perf.data files that were cut off before their event formats.
 *
 *   node tools/generate-perf-formats.mjs FOLDER...     (folders with *.format files of tracefs)
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const EVENTS = ['kvm_exit', 'kvm_entry', 'kvm_userspace_exit'];
const layouts = new Map();
for (const folder of process.argv.slice(2))
  for (const file of readdirSync(folder).sort()) {
    const name = EVENTS.find((event) => file === `${event}.format` || file === `kvm.${event}.format`);
    if (!name) continue;
    const fields = readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('\tfield:'))
      .map((line) => line.trim().replace(/;\t/g, '; '));
    layouts.set(`${name}\n${fields.join('\n')}`, { name, fields });
  }
const text = [...layouts.values()]
  .sort((a, b) => EVENTS.indexOf(a.name) - EVENTS.indexOf(b.name))
  .map(({ name, fields }) => `  {\n    name: '${name}',\n    fields: \`${fields.join('\n')}\`,\n  },\n`);
const target = resolve(import.meta.dirname, '../src/parsers/perf-data/known-formats.generated.ts');
writeFileSync(
  target,
  `// Made by tools/generate-perf-formats.mjs from the format files of Linux 6.1 and 6.12 (x86-64, arm64). Do not edit.
export const KNOWN_FORMATS: readonly { readonly name: string; readonly fields: string }[] = [\n${text.join('')}];\n`,
);
