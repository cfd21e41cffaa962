/**
 * The hot path of reports: records of little-endian files, of which only the core columns are wanted
 * (ParseOptions.coreOnly). What a kind of event has and where is in a table of small integers; columns that it has not
 * read the record's first word and mask it away, because branches on the kind of event are mispredicted where kinds
 * alternate (measured: 20 of 80 ns per event).
 */
import type { EventBatch } from '../../core/event-batch.ts';
import { ISA_FOREIGN } from '../../core/isa-codes.ts';
import type { RecordDecoder } from '../tracepoint/decoder.ts';
import { addSpecial, type EventRows, PLAIN, writeRecord } from './event-rows.ts';

/** Ints of a plan; offsets are words (4 bytes) from the start of the record. */
const PLAN_INTS = 16;
/** Bytes that the record must have; 0: no plan. */
const MINIMUM = 0;
/** Event code, with bit 16 set where the row needs more than a plan can do. */
const EVENT = 1;
const FIELDS = 2;
const VCPU = 3;
const VCPU_MASK = 4;
const CODE = 5;
const CODE_MASK = 6;
const ISA = 7;
const ISA_MASK = 8;
const ADDRESS = 9;
const ADDRESS_HIGH = 10;
const ADDRESS_HIGH_MASK = 11;
const ARG0 = 12;
const ARG0_HIGH = 13;
const ARG0_HIGH_MASK = 14;
const ARG0_SIGN_MASK = 15;

const SPECIAL = 1 << 16;
/** common_pid of every kernel so far, and the bytes of the common fields. */
const PID_OFFSET = 4;
const COMMON_BYTES = 8;

export interface CorePlans {
  /** By id: index of its plan, 0 where records must be decoded the long way. */
  readonly at: Int32Array;
  /** Ids whose plan was made, or found impossible. */
  readonly known: Uint8Array;
  table: Int32Array;
  used: number;
}

export function createCorePlans(): CorePlans {
  // The plan at 0 stands for "none": no record is long enough for it.
  const table = new Int32Array(64 * PLAN_INTS);
  table[MINIMUM] = 0x7fffffff;
  return { at: new Int32Array(65536), known: new Uint8Array(65536), table, used: PLAN_INTS };
}

/** Makes the plan of an id once its decoder is there. */
function learnPlan(plans: CorePlans, rows: EventRows, id: number): void {
  const decoder = rows.decoders[id];
  if (plans.known[id] || rows.known[id] === 0) return;
  plans.known[id] = 1;
  if (!decoder?.core || decoder.pidOffset !== PID_OFFSET) return;
  if (plans.used === plans.table.length) {
    const table = new Int32Array(2 * plans.table.length);
    table.set(plans.table);
    plans.table = table;
  }
  fillPlan(plans.table, plans.used, decoder, decoder.core, rows.kinds[id] !== PLAIN);
  plans.at[id] = plans.used;
  plans.used += PLAN_INTS;
}

function fillPlan(
  table: Int32Array,
  plan: number,
  decoder: RecordDecoder,
  core: NonNullable<RecordDecoder['core']>,
  special: boolean,
): void {
  table[plan + MINIMUM] = Math.max(COMMON_BYTES, decoder.minimum);
  table[plan + EVENT] = decoder.event | (special ? SPECIAL : 0);
  table[plan + FIELDS] = core.fields;
  const place = (offset: number, index: number) => {
    table[plan + index] = Math.max(0, offset);
    return offset >= 0 ? -1 : 0;
  };
  table[plan + VCPU_MASK] = place(core.vcpu, VCPU);
  table[plan + CODE_MASK] = place(core.code, CODE);
  table[plan + ISA_MASK] = place(core.isa, ISA);
  place(core.address, ADDRESS);
  table[plan + ADDRESS_HIGH_MASK] = place(core.addressWide ? core.address + 1 : -1, ADDRESS_HIGH);
  place(core.arg0, ARG0);
  table[plan + ARG0_HIGH_MASK] = place(core.arg0Wide ? core.arg0 + 1 : -1, ARG0_HIGH);
  table[plan + ARG0_SIGN_MASK] = core.arg0Signed && !core.arg0Wide ? -1 : 0;
}

/** As writeRecord(), for the core columns; `words` and `view` are of the same bytes. */
export function writeCore(
  plans: CorePlans,
  rows: EventRows,
  words: Uint32Array,
  view: DataView,
  at: number,
  length: number,
  batch: EventBatch,
  row: number,
): boolean {
  const word = at >>> 2;
  const id = words[word] & 0xffff;
  const { table } = plans;
  const plan = plans.at[id];
  if (length < table[plan + MINIMUM]) {
    const written = writeRecord(rows, view, at, length, batch, row);
    if (length >= COMMON_BYTES) learnPlan(plans, rows, id);
    return written;
  }
  batch.tid[row] = words[word + PID_OFFSET / 4];
  batch.pid[row] = -1;
  const event = table[plan + EVENT];
  batch.event[row] = event;
  batch.fields[row] = table[plan + FIELDS];
  batch.vcpu[row] = (words[word + table[plan + VCPU]] & table[plan + VCPU_MASK]) | ~table[plan + VCPU_MASK];
  batch.code[row] = words[word + table[plan + CODE]] & table[plan + CODE_MASK];
  const isaMask = table[plan + ISA_MASK];
  // 1 and 2 are x86's own numbers. An event without the field reads as 1, so that this branch is hardly ever taken.
  const isa = (words[word + table[plan + ISA]] & isaMask) | (1 + isaMask);
  batch.isa[row] = (isa - 1) >>> 0 > 1 ? ISA_FOREIGN | (isa & 0x7f) : isa & isaMask;
  batch.address[2 * row] = words[word + table[plan + ADDRESS]];
  batch.address[2 * row + 1] = words[word + table[plan + ADDRESS_HIGH]] & table[plan + ADDRESS_HIGH_MASK];
  const low = words[word + table[plan + ARG0]];
  batch.arg0[2 * row] = low;
  batch.arg0[2 * row + 1] =
    (words[word + table[plan + ARG0_HIGH]] & table[plan + ARG0_HIGH_MASK]) |
    ((low >> 31) & table[plan + ARG0_SIGN_MASK]);
  if (event >= SPECIAL) addSpecial(rows, rows.kinds[id], id, view, at, length, batch, row);
  return true;
}
