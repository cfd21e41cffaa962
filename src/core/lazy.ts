/** A value that is made when it is first asked for: tables that few runs look into would delay the start of all. */
export function lazy<T extends {}>(make: () => T): () => T {
  let value: T | null = null;
  return () => (value ??= make());
}
