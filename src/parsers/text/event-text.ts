/**
 * `EVENT: TEXT` of every text format → the event and value columns of a row. The line's prefix (thread, CPU, time)
 * is the format's own business.
 *
 * All positions lie in a buffer whose byte at `end` is neither digit nor letter (line feed, CR or sentinel).
 */
import { BLANK, COLON, EQUALS } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { type EventBatch, F_ADDRESS, F_ARG0, F_CODE, F_MARKER } from '../../core/event-batch.ts';
import { EV_MARKER, eventCode } from '../../core/events.ts';
import { ISA_ARM, ISA_ARM64, ISA_RISCV, ISA_SVM, ISA_UNKNOWN, ISA_VMX } from '../../core/isa-codes.ts';
import { internString } from '../../core/string-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { C_ADDRESS, C_ARG0, C_INFO1, setColumn } from '../columns.ts';
import {
  createQemuText,
  EVENT_BARE,
  EVENT_CUT,
  EVENT_ODD,
  NO_EVENT as NOT_OF_QEMU,
  type QemuText,
  readQemuEvent,
} from '../qemu-events/event-text.ts';
import { readTraceEvents, withoutArguments } from '../qemu-events/given-events.ts';
import type { ParseOptions } from '../trace-format.ts';
import { addName, type ByteNames, createByteNames, findName } from './byte-names.ts';
import { type CommonText, createCommonText, readCommonEvent } from './common-text.ts';
import { EVENT_TABLES } from './event-grammar.ts';
import {
  APIC_ACCESS,
  AVIC_IPI,
  CR_ACCESS,
  ENTRY,
  EXCEPTION,
  EXIT,
  INJ_VIRQ,
  KEYED,
  KINDS,
  MARKER,
  MSR_ACCESS,
  NAME_BYTE,
  PLAIN,
  PPC_ENTER,
  PPC_EXIT,
  PRINT,
  SIE_ENTER,
  SIE_EXIT,
  SWITCH,
  SYS_ACCESS,
  USERSPACE_EXIT,
  WAKEUP,
} from './event-kinds.ts';
import { createEventTemplates, type EventTemplates } from './event-templates.ts';
import { readEntry, readExit } from './exit-text.ts';
import type { KeyTable } from './keyed-text.ts';
import { readKeyed } from './keyed-text.ts';
import { createKnownBytes, type KnownBytes } from './known-bytes.ts';
import { readKnownEvent } from './known-events.ts';
import { ascii, decodeText, findIn, matchesAt, readHex, readHexPrefixed, word } from './numbers.ts';
import { readPpcGuest, readS390Sie } from './other-isa-text.ts';
import { createReasonNames, type ReasonNames } from './reason-names.ts';
import { forgetNumbers } from './recorded-numbers.ts';
import { APIC, CR, MSR, readException, readRegister, readSysAccess } from './register-text.ts';
import { readSwitch, readWakeup } from './sched-text.ts';
import { readUserspaceExit } from './userspace-exit-text.ts';

/** What parseEvent() says about a row. */
export const NO_EVENT = 0;
export const EVENT_READ = 1;
/** The event is known, but its text is not (whole): columns are missing. */
export const EVENT_INCOMPLETE = 2;

export interface EventText {
  readonly context: TraceContext;
  readonly names: ByteNames;
  /** By id of `names`. */
  readonly codes: number[];
  readonly kinds: number[];
  readonly tables: (KeyTable | null)[];
  readonly reasons: ReasonNames;
  readonly common: CommonText;
  /** `NAME: ` of names in the table, with their ids. */
  readonly known: KnownBytes;
  readonly templates: EventTemplates;
  readonly options: Pick<ParseOptions, 'traceEvents'>;
  readonly markers: Markers;
  /** The last kvm_userspace_exit was printed as `reason=2 errno=0`: nothing of it is lost. */
  rawUserspaceExit: boolean;
}

/** What user space wrote to trace_marker. */
interface Markers {
  /** Made at the first marker. */
  qemu: QemuText | null;
  /** An event of QEMU's was among them. */
  ofQemu: boolean;
  /** Events without arguments that are not in the diagnostics yet. */
  bare: number;
}

/** `options.traceEvents`: declarations of QEMU's events, for markers of its ftrace backend. */
export function createEventText(
  context: TraceContext,
  options: Pick<ParseOptions, 'traceEvents' | 'coreOnly'> = {},
): EventText {
  const reasons = createReasonNames(context);
  return {
    context,
    options,
    markers: { qemu: null, ofQemu: false, bare: 0 },
    names: createByteNames(),
    codes: [],
    kinds: [],
    tables: [],
    reasons,
    common: createCommonText(reasons, options.coreOnly ?? false),
    known: createKnownBytes(256),
    templates: createEventTemplates(reasons),
    rawUserspaceExit: false,
  };
}

/**
 * Reads `NAME: TEXT` in [pos, end) into the row; `end` is after the last byte of the line without CR. Time, cpu,
 * tid and pid are the caller's; all other columns are set. Blanks that pad TEXT are skipped.
 */
export function parseEvent(
  events: EventText,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  forgetNumbers();
  let p = pos;
  let hash = 0;
  while (NAME_BYTE[buf[p]] === 1) hash = (Math.imul(hash, 31) + buf[p++]) | 0;
  // "name:" with nothing behind it is how editors leave "name: " behind.
  if (p === pos || buf[p] !== COLON || (buf[p + 1] !== BLANK && p + 1 < end)) return NO_EVENT;
  let id = findName(events.names, buf, pos, p, hash);
  if (id < 0) id = learnEvent(events, buf, pos, p, hash);
  batch.event[row] = events.codes[id];
  batch.vcpu[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = -1;
  batch.fields[row] = 0;
  const kind = events.kinds[id];
  if (kind === PLAIN) return EVENT_READ;
  let text = p + 1;
  while (text < end && buf[text] === BLANK) text++;
  let stop = end;
  while (stop > text && buf[stop - 1] <= BLANK) stop--;
  let read: boolean;
  switch (kind) {
    case EXIT:
      read = readExit(events.reasons, buf, text, stop, batch, row);
      if (events.context.arch === null && read) guessArch(events.context, batch.isa[row]);
      break;
    case ENTRY:
      read = readEntry(buf, text, stop, batch, row, events.reasons.hint === ISA_RISCV);
      break;
    case USERSPACE_EXIT:
      events.rawUserspaceExit = buf[text + 6] === EQUALS;
      read = readUserspaceExit(buf, text, stop, batch, row);
      break;
    case KEYED:
      read = readKeyed(events.tables[id]!, buf, text, stop, batch, row);
      break;
    default:
      read = readOther(events, kind, id, buf, text, stop, batch, row);
  }
  return read ? EVENT_READ : EVENT_INCOMPLETE;
}

/**
 * parseEvent() for the commonest texts when it is not known yet where the line ends: the position of the line's end
 * (a line feed, or a CR before one), −1 where parseEvent() must be asked. Saves a pass over the line. `view`: of `buf`.
 */
export function parseCommonEvent(
  events: EventText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  // parseEvent() reads the first exit: it tells the machine.
  if (events.context.arch === null) return -1;
  const end = readCommonEvent(events.common, view, buf, pos, batch, row);
  return end >= 0 ? end : readKnownEvent(events, view, buf, pos, batch, row);
}

function readOther(
  events: EventText,
  kind: number,
  id: number,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  switch (kind) {
    case MSR_ACCESS:
      return readRegister(MSR, buf, pos, end, batch, row);
    case CR_ACCESS:
      return readRegister(CR, buf, pos, end, batch, row);
    case APIC_ACCESS:
      return readRegister(APIC, buf, pos, end, batch, row);
    case EXCEPTION:
      return readException(buf, pos, end, batch, row);
    case SYS_ACCESS:
      return readSysAccess(buf, pos, end, batch, row);
    case SWITCH:
      return readSwitch(buf, pos, end, batch, row);
    case WAKEUP:
      return readWakeup(events.tables[id]!, buf, pos, end, batch, row);
    case MARKER:
      return readMarker(events, buf, pos, end, batch, row);
    case PRINT:
      return readPrint(events, buf, pos, end, batch, row);
    case PPC_ENTER:
      return readPpcGuest(events.reasons, buf, pos, end, batch, row, false);
    case PPC_EXIT:
      return readPpcGuest(events.reasons, buf, pos, end, batch, row, true);
    case SIE_ENTER:
      return readS390Sie(buf, pos, end, batch, row, false);
    case SIE_EXIT:
      return readS390Sie(buf, pos, end, batch, row, true);
    case INJ_VIRQ: {
      const read = readKeyed(events.tables[id]!, buf, pos, end, batch, row);
      // The layout that tells soft from hard also tells what was reinjected, by silence.
      if (batch.fields[row] & F_CODE && !(batch.fields[row] & F_ARG0)) setColumn(batch, row, C_ARG0, 0, 0);
      return read;
    }
    case AVIC_IPI:
      return readAvicIpi(events.tables[id]!, buf, pos, end, batch, row);
    default:
      return true;
  }
}

const ICR_PAIR = ascii('icrh:icrl=');

/** `vcpu=0, icrh:icrl=0x00000002:000000fb, id=2, index=0`. */
function readAvicIpi(
  table: KeyTable,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const pair = findIn(buf, pos, end, ICR_PAIR);
  if (pair >= 0) {
    const colon = readHexPrefixed(buf, pair + ICR_PAIR.length);
    if (colon < 0 || buf[colon] !== COLON) return false;
    setColumn(batch, row, C_ADDRESS, word[0], word[1]);
    if (readHex(buf, colon + 1) < 0) return false;
    setColumn(batch, row, C_INFO1, word[0], word[1]);
  }
  return readKeyed(table, buf, pos, end, batch, row) && (batch.fields[row] & F_ADDRESS) !== 0;
}

function guessArch(context: TraceContext, isa: number): void {
  if (isa === ISA_VMX || isa === ISA_SVM) context.arch = 'x86_64';
  else if (isa === ISA_ARM64) context.arch = 'aarch64';
  else if (isa === ISA_ARM) context.arch = 'arm';
  else if (isa === ISA_RISCV) context.arch = 'riscv64';
  else return;
  if (context.defaultIsa === ISA_UNKNOWN) context.defaultIsa = isa;
}

function learnEvent(events: EventText, buf: Uint8Array, start: number, end: number, hash: number): number {
  const name = decodeText(buf, start, end);
  const code = eventCode(events.context.events, name);
  if (code === 0)
    note(
      events.context.diagnostics,
      'too-many-event-names',
      'data-loss',
      'more event names than a capture can hold: the rest are kept without a name',
    );
  const id = addName(events.names, buf, start, end, hash);
  const at = id < 0 ? events.names.count : id;
  events.codes[at] = name === 'print' ? EV_MARKER : code;
  events.tables[at] = EVENT_TABLES.get(name) ?? null;
  events.kinds[at] = KINDS.get(name) ?? (events.tables[at] ? KEYED : PLAIN);
  return at;
}

/** Whether the grammar knows the event named in [start, end): used by sniffing. */
export function isKnownEvent(name: string): boolean {
  return KINDS.has(name) || EVENT_TABLES.has(name) || name.startsWith('kvm_');
}

const MARK_WRITE = ascii('tracing_mark_write: ');
const RAW_PRINT = ascii('ip=tracing_mark_write buf=');

/** Bytes of a marker's text that are kept: with MAX_STRINGS of them, memory stays bounded. */
const MAX_MARKER_BYTES = 512;

/** trace-cmd calls markers `print` and puts the function that wrote them in front. */
function readPrint(
  events: EventText,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  let p = pos;
  if (matchesAt(buf, p, MARK_WRITE)) p += MARK_WRITE.length;
  else if (matchesAt(buf, p, RAW_PRINT)) p += RAW_PRINT.length;
  return readMarker(events, buf, p, end, batch, row);
}

/**
 * Text that user space wrote to trace_marker. QEMU's ftrace backend writes its trace events there as its log backend
 * prints them; a first word with an underscore is taken for such a name. Everything else keeps its text.
 */
function readMarker(
  events: EventText,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const { context, markers } = events;
  markers.qemu ??= createQemuText(context, readTraceEvents(context, events.options), true);
  const status = readQemuEvent(markers.qemu, buf, pos, end, false, batch, row);
  batch.fields[row] |= F_MARKER;
  if (status !== NOT_OF_QEMU) {
    noteBareMarkers(events, status);
    return status !== EVENT_CUT && status !== EVENT_ODD;
  }
  batch.text[row] = internString(
    context.strings,
    decodeText(buf, pos, Math.min(end, pos + MAX_MARKER_BYTES)),
  );
  if (batch.text[row] < 0)
    note(
      context.diagnostics,
      'marker-text-dropped',
      'info',
      'more different marker texts than a capture can hold: the rest are kept without their text',
    );
  return true;
}

/** Counts events that only their name is read of, once it is known that QEMU, not just anybody, wrote the markers. */
function noteBareMarkers({ context, markers, options }: EventText, status: number): void {
  if (status === EVENT_BARE) markers.bare++;
  else markers.ofQemu = true;
  if (!markers.ofQemu || markers.bare === 0) return;
  note(
    context.diagnostics,
    'events-without-arguments',
    'info',
    withoutArguments(options.traceEvents !== undefined),
    markers.bare,
  );
  markers.bare = 0;
}
