/**
 * Brings the header of an older capture to the current version: `UPGRADERS[n]` turns version n into n + 1 by
 * renaming columns, marking those that did not exist as absent, and rewriting metadata. Rows stay untouched, so
 * an upgrade costs nothing per event. docs/capture-format.md lists what changed when.
 */
import { TraceFormatError } from '../../core/errors.ts';
import type { FileHeader } from './header.ts';
import { CAPTURE_ID, CAPTURE_SCHEMA, CAPTURE_VERSION, COLUMNS } from './schema.ts';

export interface Versioning {
  /** Version that this program writes. */
  readonly current: number;
  readonly upgraders: Readonly<Record<number, (header: FileHeader) => void>>;
}

export const VERSIONING: Versioning = { current: CAPTURE_VERSION, upgraders: {} };

function refuse(message: string, hint: string): never {
  throw new TraceFormatError({ format: CAPTURE_ID, message, section: 'schema', hint });
}

/** Changes `header` in place. @throws TraceFormatError if the file is not a capture or is newer than we are. */
export function upgradeHeader(header: FileHeader, { current, upgraders }: Versioning = VERSIONING): void {
  if (header.metadata.get('kvmtrace.schema') !== CAPTURE_SCHEMA) {
    const have = new Set(header.columns.map((column) => column.name));
    const missing = COLUMNS.filter((column) => !have.has(column.name)).map((column) => column.name);
    refuse(
      `an Arrow file, but not a capture of kvmtrace: ${
        missing.length === 0
          ? 'it lost the metadata key kvmtrace.schema'
          : `columns ${missing.join(', ')} are missing`
      }`,
      'make a capture with `kvmtrace record` or `kvmtrace convert`; when rewriting one, keep columns and schema metadata',
    );
  }
  const text = header.metadata.get('kvmtrace.version') ?? '';
  const version = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (version < 0) refuse(`capture version '${text.slice(0, 40)}' is not a number`, 'the file is damaged');
  if (version > current)
    refuse(
      `this capture has version ${version}, this kvmtrace reads up to ${current}`,
      'upgrade kvmtrace, or convert the original recording again',
    );
  for (let from = version; from < current; from++) {
    const upgrade = upgraders[from];
    if (!upgrade)
      refuse(`captures of version ${version} are not supported`, 'convert the original recording again');
    upgrade(header);
  }
}
