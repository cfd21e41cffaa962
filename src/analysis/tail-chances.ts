/** Sums of independent yes-or-no's, for simultaneous.ts. */

/** Probability of at least k of independent events, for k up to `most`. */
export function tailChances(chances: readonly number[], most: number): Float64Array {
  // Distribution of the number, everything from `most` on in the last place.
  const exactly = new Float64Array(most + 1);
  exactly[0] = 1;
  for (const p of chances)
    for (let k = most; k >= 0; k--) {
      const stays = k === most ? exactly[k] : exactly[k] * (1 - p);
      exactly[k] = stays + (k > 0 ? exactly[k - 1] * p : 0);
    }
  for (let k = most - 1; k >= 0; k--) exactly[k] += exactly[k + 1];
  return exactly;
}
