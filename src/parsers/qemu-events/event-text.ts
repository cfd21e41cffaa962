/**
 * `NAME TEXT` as QEMU's log back end prints trace events (and its ftrace back end writes them to trace_marker) → the
 * event and value columns of a row.
 */
import { BLANK, UNDERSCORE } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import { isKernelName, qemuEventCode } from '../../core/qemu-event-fields.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { addName, type ByteNames, createByteNames, findName, MAX_NAME_BYTES } from '../text/byte-names.ts';
import { decodeText } from '../text/numbers.ts';
import { compileFormat, readFormat, TEXT_CUT, TEXT_MATCHES, type TextFormat } from './format-text.ts';
import { createInternedBytes, type InternedBytes } from './interned-bytes.ts';
import { declarationsOf } from './known-events.ts';
import type { TraceEvents } from './trace-events.ts';

/** The text is no event. */
export const NO_EVENT = 0;
/** Name and arguments are read. */
export const EVENT_READ = 1;
/** The text ends before the event's format does. */
export const EVENT_CUT = 2;
/** Nothing is known of the event's text: only the name is read. */
export const EVENT_BARE = 3;
/** The event's text is not what its format prints: only the name is read. */
export const EVENT_ODD = 4;

interface TextPlan {
  readonly code: number;
  readonly formats: readonly TextFormat[];
}

export interface QemuText {
  readonly context: TraceContext;
  readonly traceEvents: TraceEvents | null;
  /** Anybody may have written the text (trace_marker): what has the name of a kernel event is no event of QEMU. */
  readonly anyWriter: boolean;
  readonly interned: InternedBytes;
  readonly names: ByteNames;
  /** By id of `names`; null: not taken for an event's name. */
  readonly plans: (TextPlan | null)[];
  undeclared: number;
}

/** Most names that no declaration has: they come from free text. */
const MAX_UNDECLARED = 2048;

export function createQemuText(
  context: TraceContext,
  traceEvents: TraceEvents | null,
  anyWriter = false,
): QemuText {
  return {
    context,
    traceEvents,
    anyWriter,
    interned: createInternedBytes(context),
    names: createByteNames(),
    plans: [],
    undeclared: 0,
  };
}

const NAME_BYTE = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_')
  NAME_BYTE[char.charCodeAt(0)] = 1;

/**
 * Reads `NAME TEXT` in [pos, end). `stamped`: a time stands in front, so that any name is an event's; without one, a
 * line is only taken for an event if its name is declared or has an underscore, as almost all of QEMU's have.
 * Time, cpu, tid and pid are the caller's; all other columns are set.
 */
export function readQemuEvent(
  text: QemuText,
  buf: Uint8Array,
  pos: number,
  end: number,
  stamped: boolean,
  batch: EventBatch,
  row: number,
): number {
  let p = pos;
  let hash = 0;
  let underscore = false;
  while (p < end && NAME_BYTE[buf[p]] === 1) {
    if (buf[p] === UNDERSCORE) underscore = true;
    hash = (Math.imul(hash, 31) + buf[p++]) | 0;
  }
  if (p === pos || (p < end && buf[p] !== BLANK) || p - pos > MAX_NAME_BYTES) return NO_EVENT;
  let id = findName(text.names, buf, pos, p, hash);
  if (id < 0) id = learnName(text, buf, pos, p, hash, stamped || underscore);
  const plan = text.plans[id];
  if (!plan) return NO_EVENT;
  batch.event[row] = plan.code;
  clearValues(batch, row);
  if (plan.formats.length === 0) return EVENT_BARE;
  return readFormats(text, plan.formats, buf, Math.min(p + 1, end), end, batch, row);
}

function readFormats(
  text: QemuText,
  formats: readonly TextFormat[],
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  let cut: TextFormat | null = null;
  for (const format of formats) {
    const status = readFormat(format, text.interned, buf, pos, end, batch, row);
    if (status === TEXT_MATCHES) return EVENT_READ;
    if (status === TEXT_CUT) cut ??= format;
    clearValues(batch, row);
  }
  if (cut === null) return EVENT_ODD;
  readFormat(cut, text.interned, buf, pos, end, batch, row);
  return EVENT_CUT;
}

function clearValues(batch: EventBatch, row: number): void {
  batch.vcpu[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = -1;
  batch.fields[row] = 0;
}

function learnName(
  text: QemuText,
  buf: Uint8Array,
  start: number,
  end: number,
  hash: number,
  credible: boolean,
): number {
  const name = decodeText(buf, start, end);
  const declarations = declarationsOf(name, text.traceEvents?.byName.get(name));
  let plan: TextPlan | null = null;
  const foreign = text.anyWriter && isKernelName(text.context.events, name);
  if (!foreign && (declarations.length > 0 || (credible && text.undeclared < MAX_UNDECLARED))) {
    if (declarations.length === 0) text.undeclared++;
    const formats = declarations.map(compileFormat).filter((format) => format !== null);
    const code = qemuEventCode(text.context.events, name);
    if (code === 0)
      note(
        text.context.diagnostics,
        'too-many-event-names',
        'data-loss',
        'more event names than a capture can hold: the rest are kept without a name',
      );
    plan = { code, formats };
  }
  const added = addName(text.names, buf, start, end, hash);
  // A name that the table has no room for is learned again each time.
  const id = added >= 0 ? added : text.names.count;
  text.plans[id] = plan;
  return id;
}
