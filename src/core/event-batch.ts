/**
 * The unit of flow between parser and analysis: a struct of arrays, one row per recorded event.
 *
 * 64-bit columns are kept as pairs of 32-bit words, low word first (the memory layout of a little-endian
 * Int64Array, so Arrow gets them without conversion). Hot loops read words and never make a BigInt.
 */

/** Rows of a batch: 64 Ki, as the Arrow files use. */
export const BATCH_ROWS = 65536;

/** Value of `cpu` where the format does not say which CPU recorded the event. */
export const NO_CPU = 0xffff;
/** Value of `tid`, `pid`, `vcpu` and `text` where it is not known. */
export const UNKNOWN = -1;

/** Bits of the `fields` column: which of the nullable columns hold a recorded value in this row. */
export const F_ISA = 1 << 0;
export const F_CODE = 1 << 1;
export const F_ADDRESS = 1 << 2;
export const F_INFO1 = 1 << 3;
export const F_INFO2 = 1 << 4;
export const F_INTR_INFO = 1 << 5;
export const F_ERROR_CODE = 1 << 6;
export const F_ARG0 = 1 << 7;
export const F_ARG1 = 1 << 8;
/** Not a column: user space wrote the event's text to trace_marker (QEMU's ftrace backend does); no tracepoint. */
export const F_MARKER = 1 << 9;

export interface EventBatch {
  /** Rows in use; the columns may be longer. */
  length: number;
  readonly capacity: number;
  /** Nanoseconds on the capture's clock, signed 64 bit as [low, high] word pairs. */
  readonly time: Uint32Array;
  /** CPU that recorded the event, or NO_CPU. */
  readonly cpu: Uint16Array;
  /** Host thread id (a vCPU is a thread), or UNKNOWN. */
  readonly tid: Int32Array;
  /** Host process id (tgid) if the record itself carries it, or UNKNOWN. */
  readonly pid: Int32Array;
  /** vCPU number if the record itself carries it, or UNKNOWN. */
  readonly vcpu: Int32Array;
  /** Event code: see EventDictionary. */
  readonly event: Uint16Array;
  /** ISA code (src/core/isa-codes.ts) of the reason in `code`. */
  readonly isa: Uint8Array;
  /** Reason number as recorded: exit reason of exits, KVM_EXIT_* of userspace exits. */
  readonly code: Uint32Array;
  /** Guest RIP/PC of exits and entries; port, GPA, MSR, leaf … of detail events (docs/events.md). Word pairs. */
  readonly address: Uint32Array;
  readonly info1: Uint32Array;
  readonly info2: Uint32Array;
  readonly intrInfo: Uint32Array;
  readonly errorCode: Uint32Array;
  readonly arg0: Uint32Array;
  readonly arg1: Uint32Array;
  /** Code into the capture's string dictionary (marker text, device names), or UNKNOWN. */
  readonly text: Int32Array;
  /** F_* bits. */
  readonly fields: Uint16Array;
}

/** `shared`: in memory that several threads can use. */
export function createEventBatch(capacity: number = BATCH_ROWS, shared = false): EventBatch {
  const memory = (bytes: number) => (shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  return {
    length: 0,
    capacity,
    time: new Uint32Array(memory(8 * capacity)),
    cpu: new Uint16Array(memory(2 * capacity)),
    tid: new Int32Array(memory(4 * capacity)),
    pid: new Int32Array(memory(4 * capacity)),
    vcpu: new Int32Array(memory(4 * capacity)),
    event: new Uint16Array(memory(2 * capacity)),
    isa: new Uint8Array(memory(capacity)),
    code: new Uint32Array(memory(4 * capacity)),
    address: new Uint32Array(memory(8 * capacity)),
    info1: new Uint32Array(memory(8 * capacity)),
    info2: new Uint32Array(memory(8 * capacity)),
    intrInfo: new Uint32Array(memory(4 * capacity)),
    errorCode: new Uint32Array(memory(4 * capacity)),
    arg0: new Uint32Array(memory(8 * capacity)),
    arg1: new Uint32Array(memory(8 * capacity)),
    text: new Int32Array(memory(4 * capacity)),
    fields: new Uint16Array(memory(2 * capacity)),
  };
}

/** Resets one row to "nothing recorded"; word columns keep garbage, `fields` says that they do not apply. */
export function clearRow(batch: EventBatch, row: number): void {
  batch.cpu[row] = NO_CPU;
  batch.tid[row] = UNKNOWN;
  batch.pid[row] = UNKNOWN;
  batch.vcpu[row] = UNKNOWN;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = UNKNOWN;
  batch.fields[row] = 0;
}

/** Copies row `from` of `source` over row `to` of `target`. */
export function copyRow(source: EventBatch, from: number, target: EventBatch, to: number): void {
  const f = 2 * from;
  const t = 2 * to;
  target.time[t] = source.time[f];
  target.time[t + 1] = source.time[f + 1];
  target.cpu[to] = source.cpu[from];
  target.tid[to] = source.tid[from];
  target.pid[to] = source.pid[from];
  target.vcpu[to] = source.vcpu[from];
  target.event[to] = source.event[from];
  target.isa[to] = source.isa[from];
  target.code[to] = source.code[from];
  target.address[t] = source.address[f];
  target.address[t + 1] = source.address[f + 1];
  target.info1[t] = source.info1[f];
  target.info1[t + 1] = source.info1[f + 1];
  target.info2[t] = source.info2[f];
  target.info2[t + 1] = source.info2[f + 1];
  target.intrInfo[to] = source.intrInfo[from];
  target.errorCode[to] = source.errorCode[from];
  target.arg0[t] = source.arg0[f];
  target.arg0[t + 1] = source.arg0[f + 1];
  target.arg1[t] = source.arg1[f];
  target.arg1[t + 1] = source.arg1[f + 1];
  target.text[to] = source.text[from];
  target.fields[to] = source.fields[from];
}
