/** Which column each argument of a declaration goes to (qemu-event-fields.ts), shared by binary and text. */
import { QEMU_EVENT_FIELDS, type QemuColumn } from '../../core/qemu-event-fields.ts';
import { C_ARG0, C_ARG1, C_VCPU, COLUMN_CODES } from '../columns.ts';
import type { EventArgument, EventDeclaration } from './trace-events.ts';

/** Column code of the interned string; the others are those of columns.ts. */
export const C_TEXT = 10;
/** The argument is not kept. */
export const NO_COLUMN = -1;

/** Column code per argument. Numbers go to C_* columns, strings to C_TEXT. */
export function argumentColumns(declaration: EventDeclaration): Int8Array {
  const columns = new Int8Array(declaration.args.length).fill(NO_COLUMN);
  if (!Object.hasOwn(QEMU_EVENT_FIELDS, declaration.name)) {
    genericColumns(declaration.args, columns);
    return columns;
  }
  for (const [column, names] of Object.entries(QEMU_EVENT_FIELDS[declaration.name])) {
    const wanted = typeof names === 'string' ? [names] : names;
    const index = declaration.args.findIndex((arg) => wanted.includes(arg.name));
    if (index < 0 || declaration.args[index].isString !== (column === 'text')) continue;
    columns[index] = column === 'text' ? C_TEXT : COLUMN_CODES[column as Exclude<QemuColumn, 'text'>];
  }
  return columns;
}

function genericColumns(args: readonly EventArgument[], columns: Int8Array): void {
  let numbers = 0;
  let strings = 0;
  for (const [index, { name, isString }] of args.entries()) {
    if (isString) {
      if (strings++ === 0) columns[index] = C_TEXT;
    } else if (name === 'cpu_index' && !columns.includes(C_VCPU)) columns[index] = C_VCPU;
    else if (numbers < 2) columns[index] = numbers++ === 0 ? C_ARG0 : C_ARG1;
  }
}
