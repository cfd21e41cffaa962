/** Where the columns of a batch lie in this file: field nodes and buffers are numbered through all columns. */
import { TraceFormatError } from '../../core/errors.ts';
import { type FileColumn, type FileHeader, TYPE_INT, TYPE_UTF8 } from './header.ts';
import { CAPTURE_ID, COLUMNS, type ColumnSpec } from './schema.ts';

export interface ColumnPlace {
  readonly spec: ColumnSpec;
  /** Number of the column's field node; −1 if the file has no such column. */
  readonly node: number;
  /** Number of its validity buffer; the values follow. */
  readonly buffer: number;
}

export interface Layout {
  /** One entry per entry of COLUMNS. */
  readonly places: readonly ColumnPlace[];
  readonly nodes: number;
  readonly buffers: number;
  /** Dictionary of this file → dictionary id of schema.ts. */
  readonly dictionaries: ReadonlyMap<number, number>;
}

function typeText(spec: ColumnSpec): string {
  const integer = `${spec.signed ? 'int' : 'uint'}${spec.bits}`;
  return spec.dictionary === null ? integer : `dictionary<${integer}, utf8>`;
}

function fits(spec: ColumnSpec, column: FileColumn): boolean {
  const type = spec.dictionary === null ? TYPE_INT : TYPE_UTF8;
  const encoded = (column.dictionary !== null) === (spec.dictionary !== null);
  return encoded && column.type === type && column.bits === spec.bits && column.signed === spec.signed;
}

/** @throws TraceFormatError naming every column that is missing or has another type. */
export function layOut(header: FileHeader): Layout {
  const found = new Map<string, { column: FileColumn; node: number; buffer: number }>();
  let nodes = 0;
  let buffers = 0;
  for (const column of header.columns) {
    if (!found.has(column.name)) found.set(column.name, { column, node: nodes, buffer: buffers });
    nodes += column.nodes;
    buffers += column.buffers;
  }
  const wrong: string[] = [];
  const dictionaries = new Map<number, number>();
  const places = COLUMNS.map((spec): ColumnPlace => {
    const place = found.get(spec.name);
    if (!place) {
      // `reason` is for other tools: reading does not need it.
      if (spec.column !== null && !header.absent.has(spec.name))
        wrong.push(`${spec.name} ${typeText(spec)} (missing)`);
      return { spec, node: -1, buffer: -1 };
    }
    if (spec.column === null) return { spec, node: -1, buffer: -1 };
    if (!fits(spec, place.column)) wrong.push(`${spec.name} ${typeText(spec)} (other type)`);
    else if (place.column.dictionary !== null && spec.dictionary !== null) {
      if (dictionaries.has(place.column.dictionary)) wrong.push(`${spec.name} (shares a dictionary)`);
      dictionaries.set(place.column.dictionary, spec.dictionary);
    }
    return { spec, node: place.node, buffer: place.buffer };
  });
  if (wrong.length > 0)
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: `not the columns of a capture: ${wrong.join(', ')}`,
      section: 'schema',
      hint: 'a capture that was rewritten with another tool must keep names and types of its columns',
    });
  return { places, nodes, buffers, dictionaries };
}
