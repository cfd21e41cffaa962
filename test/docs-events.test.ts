/** docs/events.md is what src/core/event-fields.ts says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RECORDED_FIELDS } from '../src/core/event-fields.ts';
import { REPO } from './support/corpus.ts';

test('every event and field of the table is in the document, and no other event', () => {
  const rows = readFileSync(join(REPO, 'docs/events.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| kvm|^\| sched_/.test(line));
  expect(rows.map((line) => line.split(' ')[1])).toEqual(Object.keys(RECORDED_FIELDS).sort());
  for (const line of rows) {
    const fields = RECORDED_FIELDS[line.split(' ')[1]];
    for (const [column, names] of Object.entries(fields))
      for (const name of [names].flat())
        if (!['armRet', 'armClass', 'scause', 'sysReg'].includes(column))
          expect(line).toContain(`\`${name}\``);
  }
});
