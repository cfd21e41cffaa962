/**
 * Down-sampling that keeps spikes: of the values that fall on one column of a chart, the lowest and the highest.
 * Averaging would hide exactly what the reader looks for.
 */

export interface Envelope {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** `columns` at most; fewer where there are fewer values. NaN values (not recorded) are left out. */
export function envelope(values: ArrayLike<number>, columns: number): Envelope {
  const length = Math.min(columns, values.length);
  const low = new Float64Array(length).fill(Number.NaN);
  const high = new Float64Array(length).fill(Number.NaN);
  for (let i = 0; i < values.length; i++) {
    const column = Math.floor((i * length) / values.length);
    const value = values[i];
    if (Number.isNaN(value)) continue;
    if (!(low[column] <= value)) low[column] = value;
    if (!(high[column] >= value)) high[column] = value;
  }
  return { low, high };
}
