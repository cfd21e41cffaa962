/**
 * The columns of capture.arrow: one table that the writer (src/capture) and the reader share.
 * docs/capture-format.md explains the file to people who open it with other tools; a change here is a new
 * version there, with an upgrader in upgrade.ts.
 */
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
  NO_CPU,
  UNKNOWN,
} from '../../core/event-batch.ts';

export const CAPTURE_ID = 'capture.arrow';
/** Value of the metadata key `kvmtrace.schema`. */
export const CAPTURE_SCHEMA = 'kvmtrace.capture';
export const CAPTURE_VERSION = 1;

/** Dictionary ids of the file. */
export const EVENT_DICTIONARY = 0;
export const REASON_DICTIONARY = 1;
export const TEXT_DICTIONARY = 2;
/** Most values of a dictionary: what its 16-bit indices can address. */
export const DICTIONARY_VALUES = 65536;

export type BatchColumn = Exclude<keyof EventBatch, 'length' | 'capacity'>;

export interface ColumnSpec {
  readonly name: string;
  /** The batch column with the same values; null for columns that only other tools read. */
  readonly column: BatchColumn | null;
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
  /** Id of the dictionary that the values index, null for plain integers. */
  readonly dictionary: number | null;
  readonly nullable: boolean;
  /** Bit of `fields` that says whether a row has a value, 0 if the column does not go by `fields`. */
  readonly field: number;
  /** Value in a batch that means "not known", where the column goes by such a value. */
  readonly sentinel: number | null;
  /** For the column's metadata. */
  readonly about: string;
}

function integer(
  name: string,
  column: BatchColumn,
  type: `${'int' | 'uint'}${8 | 16 | 32 | 64}`,
  about: string,
  nulls: { field?: number; sentinel?: number } = {},
): ColumnSpec {
  return {
    name,
    column,
    bits: Number(type.replace(/\D+/, '')) as ColumnSpec['bits'],
    signed: type.startsWith('int'),
    dictionary: null,
    nullable: nulls.field !== undefined || nulls.sentinel !== undefined,
    field: nulls.field ?? 0,
    sentinel: nulls.sentinel ?? null,
    about,
  };
}

function names(name: string, column: BatchColumn | null, dictionary: number, about: string): ColumnSpec {
  return {
    name,
    column,
    bits: 16,
    signed: false,
    dictionary,
    nullable: true,
    field: 0,
    sentinel: null,
    about,
  };
}

const onlyIf = (field: number) => ({ field });

export const COLUMNS: readonly ColumnSpec[] = [
  integer('time', 'time', 'int64', 'when, ns on the clock of this capture'),
  integer('cpu', 'cpu', 'uint16', 'CPU that recorded the event', { sentinel: NO_CPU }),
  integer('tid', 'tid', 'int32', 'host thread (a vCPU is a thread)', { sentinel: UNKNOWN }),
  integer('pid', 'pid', 'int32', 'host process (tgid) if the record has it', { sentinel: UNKNOWN }),
  integer('vcpu', 'vcpu', 'int32', 'vCPU number if the record has it', { sentinel: UNKNOWN }),
  names('event', 'event', EVENT_DICTIONARY, 'event name; (lost) marks lost events on this CPU'),
  integer('isa', 'isa', 'uint8', 'ISA of code: 1 vmx, 2 svm, 3 arm64, 4 riscv, 5 s390 …', onlyIf(F_ISA)),
  integer('code', 'code', 'uint32', 'exit reason, KVM_EXIT_*, direction …: docs/events.md', onlyIf(F_CODE)),
  names('reason', null, REASON_DICTIONARY, 'name of the exit reason in code'),
  integer(
    'address',
    'address',
    'uint64',
    'guest RIP/PC, port, GPA, MSR …: docs/events.md',
    onlyIf(F_ADDRESS),
  ),
  integer('info1', 'info1', 'uint64', 'as recorded: docs/events.md', onlyIf(F_INFO1)),
  integer('info2', 'info2', 'uint64', 'as recorded: docs/events.md', onlyIf(F_INFO2)),
  integer('intr_info', 'intrInfo', 'uint32', 'as recorded: docs/events.md', onlyIf(F_INTR_INFO)),
  integer('error_code', 'errorCode', 'uint32', 'as recorded: docs/events.md', onlyIf(F_ERROR_CODE)),
  integer('arg0', 'arg0', 'uint64', 'what else the event carries: docs/events.md', onlyIf(F_ARG0)),
  integer('arg1', 'arg1', 'uint64', 'what else the event carries: docs/events.md', onlyIf(F_ARG1)),
  names('text', 'text', TEXT_DICTIONARY, 'marker text, device names'),
  integer('fields', 'fields', 'uint16', 'bit mask: which of isa … arg1 hold a recorded value'),
];
