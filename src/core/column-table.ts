/**
 * Structs of arrays in an arena. A kernel gets one number for all of a struct's columns: the address of a table of
 * words, the rows that there is room for and then each column's address.
 */
import { type Arena, allocate } from './arena.ts';

type ColumnType =
  | Uint8ArrayConstructor
  | Uint16ArrayConstructor
  | Int32ArrayConstructor
  | Uint32ArrayConstructor
  | Float64ArrayConstructor;

/** Columns in the order of the table: type, and elements per row. */
export type ColumnSpec = Readonly<Record<string, readonly [ColumnType, number]>>;

export type Columns<Spec extends ColumnSpec> = { readonly [Name in keyof Spec]: InstanceType<Spec[Name][0]> };

/** Makes the columns, all 0, and returns the table's address. */
export function allocateTable(arena: Arena, spec: ColumnSpec, capacity: number): number {
  const columns = Object.values(spec);
  const table = allocate(arena, 4 * (columns.length + 1));
  const addresses = columns.map(([type, each]) => allocate(arena, capacity * each * type.BYTES_PER_ELEMENT));
  new Uint32Array(arena.memory.buffer, table).set([capacity, ...addresses]);
  return table;
}

/** Typed arrays over a table's columns. */
export function viewTable<Spec extends ColumnSpec>(
  { memory }: Arena,
  spec: Spec,
  table: number,
): Columns<Spec> & { readonly capacity: number } {
  const names = Object.keys(spec);
  const [capacity, ...addresses] = new Uint32Array(memory.buffer, table, names.length + 1);
  const columns = names.map((name, i) => {
    const [type, each] = spec[name];
    return [name, new (type as Uint8ArrayConstructor)(memory.buffer, addresses[i], capacity * each)];
  });
  return { capacity, ...Object.fromEntries(columns) };
}
