/** Lists of numbers as users type them: `1234,1240`, `0-3,8`. */
import { nearestWord } from '../core/edit-distance.ts';
import { UsageError } from '../core/errors.ts';

/** Most numbers that one list may stand for; more is a mistake, and ranges must not fill the memory. */
const MAX_NUMBERS = 65536;

/**
 * Ascending numbers of a list, each once. `values` are the option's occurrences.
 * @throws UsageError for anything but numbers and ranges up to `max`.
 */
export function parseNumberList(values: readonly string[], what: string, max: number): number[] {
  const numbers = new Set<number>();
  const refuse = (item: string, why: string) =>
    new UsageError(`'${item}' is not a ${what}: ${why}`, 'Numbers and ranges, separated by commas: 0-3,8.');
  for (const item of values.flatMap((value) => value.split(',')).map((part) => part.trim())) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(item);
    if (!match) throw refuse(item, 'expected a number or a range');
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last > max) throw refuse(item, `the highest possible is ${max}`);
    if (last < first) throw refuse(item, 'the range runs backwards');
    if (last - first >= MAX_NUMBERS) throw refuse(item, `more than ${MAX_NUMBERS} numbers`);
    for (let number = first; number <= last; number++) numbers.add(number);
    if (numbers.size > MAX_NUMBERS) throw refuse(item, `more than ${MAX_NUMBERS} numbers in all`);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** The words of a comma-separated option, checked against those that it knows (any case). */
export function parseWordList<T extends string>(
  values: readonly string[],
  what: string,
  known: readonly T[],
): T[] {
  const words = new Set<T>();
  for (const item of values.flatMap((value) => value.split(',')).map((part) => part.trim())) {
    const word = known.find((candidate) => candidate.toLowerCase() === item.toLowerCase());
    if (word === undefined) {
      const near = nearestWord(item, known);
      const meant = near === null ? '' : `Did you mean ${near}?\n`;
      throw new UsageError(`'${item}' is not a ${what}`, `${meant}Known: ${known.join(', ')}.`);
    }
    words.add(word);
  }
  return [...words];
}

/** A whole number from 0 to `max`. */
export function parseCount(text: string, max = 1_000_000): number {
  const number = /^\d{1,10}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(number <= max)) throw new UsageError(`'${text}' is not a whole number from 0 to ${max}`);
  return number;
}
