/** What diagnostics and errors say has one style: reports list them below each other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPO } from './support/corpus.ts';

const SRC = join(REPO, 'src');
const TEXTS = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(SRC, file), 'utf8'));

/** A text in quotes of any kind, whose content is the match's `text`. */
const QUOTED = /(?<quote>['"`])(?<text>(?:\\.|(?!\k<quote>)[^\\])*)\k<quote>/;

function messages(before: RegExp): string[] {
  const pattern = new RegExp(before.source + QUOTED.source, 'g');
  return TEXTS.flatMap((text) => [...text.matchAll(pattern)].map(({ groups }) => groups!.text));
}

const ALL = [
  ...messages(/\bnote\(\s*[\w.]+,\s*(?:'[\w-]+'|`[^`]*`),\s*'[a-z-]+',\s*/),
  ...messages(/\bnew (?:Usage|Qmp|Range)?Error\(\s*(?:'[\w-]+',\s*)?/),
  ...messages(/\bmessage:\s*/),
];

/** Names that begin with a capital everywhere. */
const NAMES = /^(QEMU|CPUs|Arrow)\b/;

test('all of them are looked at', () => {
  expect(ALL.length).toBeGreaterThan(220);
});

test('they begin without a capital and end without a full stop', () => {
  expect(ALL.filter((text) => /^[A-Z][a-z]|^[A-Z] /.test(text) && !NAMES.test(text))).toEqual([]);
  expect(ALL.filter((text) => /[^.]\.$/.test(text))).toEqual([]);
});

test('they have the apostrophe of a keyboard', () => {
  expect(ALL.filter((text) => text.includes('’'))).toEqual([]);
});
