/** How far a text that somebody typed is from one that is known. */

/** Edit distance with insertions, deletions, replacements and swaps of neighbours (`cpiud`), each counting 1. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const current = [i + 1];
    for (let j = 0; j < b.length; j++) {
      let best = Math.min(current[j] + 1, previous[j + 1] + 1, previous[j] + (a[i] === b[j] ? 0 : 1));
      if (i > 0 && j > 0 && a[i] === b[j - 1] && a[i - 1] === b[j]) best = Math.min(best, before[j - 1] + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length];
}

/** The nearest of the known words, if it is near enough to be meant; of equally near ones the first. */
export function nearestWord<T extends string>(typed: string, known: readonly T[]): T | null {
  const text = typed.toLowerCase().slice(0, 48);
  let nearest: T | null = null;
  let least = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const word of known) {
    const distance = editDistance(text, word.toLowerCase());
    if (distance < least && distance < word.length) [nearest, least] = [word, distance];
  }
  return nearest;
}
