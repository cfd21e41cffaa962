/** --redact: names in texts, against a regular expression of all of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nameReplacer } from '../src/report/name-replacer.ts';
import { createPseudonyms } from '../src/report/redact.ts';

function withPattern(names: ReadonlyMap<string, string>, text: string): string {
  const words = [...names.keys()]
    .filter((name) => name.trim().length > 2)
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  if (words.length === 0) return text;
  const pattern = new RegExp(`(?<![A-Za-z0-9_])(?:${words.join('|')})(?![A-Za-z0-9_])`, 'g');
  return text.replace(pattern, (name) => names.get(name)!);
}

const piece = fc.constantFrom('a', 'b', 'ab', '_', ' ', '-', '$&', '.', '\u{1f642}', '\n', '0');
const pieces = (maxLength: number) => fc.array(piece, { maxLength }).map((parts) => parts.join(''));

test('the longest name that stands there as a word, from the left', () => {
  fc.assert(
    fc.property(fc.array(pieces(6), { maxLength: 8 }), pieces(60), (list, text) => {
      const names = new Map(list.map((name, i) => [name, `<${i}>`]));
      expect(nameReplacer(names)(text)).toBe(withPattern(names, text));
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test('long names, and a hundred thousand of them', () => {
  const names = createPseudonyms(new Set());
  names.name('vm', 'y'.repeat(1 << 20));
  for (let i = 0; i < 100_000; i++) names.name('thread', `worker ${i}`);
  expect(names.text(`of ${'y'.repeat(1 << 20)} and worker 99999, not worker x`)).toBe(
    'of vm-1 and thread-100000, not worker x',
  );
});
