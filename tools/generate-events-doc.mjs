#!/usr/bin/env node
/** Writes docs/events.md from the table that decides it (src/core/event-fields.ts). Needs a build. */
import { readFileSync, writeFileSync } from 'node:fs';
import { RECORDED_FIELDS } from '../dist/core/event-fields.js';

const COLUMNS = ['vcpu', 'isa', 'code', 'address', 'info1', 'info2', 'intrInfo', 'errorCode', 'arg0', 'arg1'];
const SPECIAL = {
  armRet: 'isa and code from `ret` and `esr_ec` (arm64)',
  scause: 'isa and code from `scause` (riscv)',
  sysReg: 'address: Op0<<16 \\| Op1<<12 \\| CRn<<8 \\| CRm<<4 \\| Op2',
};

/** @param {string | readonly string[]} names */
const fields = (names) =>
  (typeof names === 'string' ? [names] : names).map((name) => `\`${name}\``).join(' / ');

export function eventsTable() {
  const lines = ['| event | columns and the recorded fields in them |', '|---|---|'];
  for (const [event, wanted] of Object.entries(RECORDED_FIELDS).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const parts = COLUMNS.filter((column) => wanted[column]).map(
      (column) => `${column} = ${fields(wanted[column])}`,
    );
    for (const [name, text] of Object.entries(SPECIAL)) if (wanted[name]) parts.push(text);
    lines.push(`| ${event} | ${parts.join('; ')} |`);
  }
  return lines.join('\n');
}

const target = new URL('../docs/events.md', import.meta.url);
const text = readFileSync(target, 'utf8').replace(
  /(<!-- table -->\n)[\s\S]*?(<!-- end -->)/,
  (_, before, after) => `${before}${eventsTable()}\n${after}`,
);
if (process.argv.includes('--check')) process.exitCode = text === readFileSync(target, 'utf8') ? 0 : 1;
else writeFileSync(target, text);
