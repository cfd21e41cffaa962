/**
 * Orders of rows. One by numbers alone leaves equal rows as they come, which depends on where a recording was cut into
 * parts (--jobs): what identifies a row has to come behind.
 */
type Value = string | number | bigint | null | undefined;

/** Ascending; what is not known first. */
export function ascending(a: Value, b: Value): number {
  if (a === b) return 0;
  if (a == null || b == null) return a == null ? (b == null ? 0 : -1) : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By these keys, each ascending, the first that differs. */
export function orderBy<Row extends object>(...keys: readonly (keyof Row)[]): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const key of keys) {
      const order = ascending(a[key] as Value, b[key] as Value);
      if (order !== 0) return order;
    }
    return 0;
  };
}
