/** Quantiles of the normal and of Student's t distribution. */

/** Inverse of the normal distribution's upper tail: P(Z > z) = p for 0 < p ≤ 0.5 (Abramowitz and Stegun 26.2.23). */
export function normalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(p));
  return (
    t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
  );
}

/** The same for Student's t (Cornish–Fisher expansion, Abramowitz and Stegun 26.7.5): a few percent off below 5 degrees. */
export function studentQuantile(p: number, degrees: number): number {
  const z = normalQuantile(p);
  const z2 = z * z;
  return (
    z +
    (z * (z2 + 1)) / (4 * degrees) +
    (z * ((5 * z2 + 16) * z2 + 3)) / (96 * degrees ** 2) +
    (z * (((3 * z2 + 19) * z2 + 17) * z2 - 15)) / (384 * degrees ** 3)
  );
}
