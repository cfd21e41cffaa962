/**
 * Events whose name was seen before and whose text needs no grammar any more: those that have none, those that
 * event-templates.ts knows but for their numbers, and sched_switch. Read without knowing where the line ends.
 */
import { BLANK, CARRIAGE_RETURN, COLON, UPPER_P } from '../../core/ascii.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import { findName, hashBytes } from './byte-names.ts';
import {
  APIC_ACCESS,
  CR_ACCESS,
  ENTRY,
  EXIT,
  INJ_VIRQ,
  KEYED,
  MSR_ACCESS,
  NAME_BYTE,
  PLAIN,
  SWITCH,
  WAKEUP,
} from './event-kinds.ts';
import { learnTemplate, readTemplate } from './event-templates.ts';
import type { EventText } from './event-text.ts';
import { keepKnown, matchKnown, placeOf } from './known-bytes.ts';
import { findFeed } from './numbers.ts';
import { recorded } from './recorded-numbers.ts';
import { readCommonSwitch } from './sched-text.ts';

/** By kind: where in its texts two words tell their forms apart; −1: event-templates.ts is not for them. */
const TEMPLATE_KEYS = new Int8Array(32).fill(-1);
for (const kind of [ENTRY, KEYED, CR_ACCESS, INJ_VIRQ]) TEMPLATE_KEYS[kind] = 0;
TEMPLATE_KEYS[MSR_ACCESS] = 4;
// Behind `comm=`, `reason ` and `apic_read APIC`.
TEMPLATE_KEYS[WAKEUP] = 5;
TEMPLATE_KEYS[EXIT] = 8;
TEMPLATE_KEYS[APIC_ACCESS] = 13;

/**
 * `EVENT: TEXT` at `pos` into the row's event and value columns; returns the position of the line's end (a line feed, or
 * a CR before one), −1 where parseEvent() must be asked.
 */
export function readKnownEvent(
  events: EventText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  const { known } = events;
  // Behind `kvm_`.
  const place = placeOf(known, view.getInt32(pos + 4, true), view.getUint16(pos + 8, true));
  const length = matchKnown(known, place, view, pos);
  if (length === 0) {
    keepEventName(events, place, view, buf, pos);
    return -1;
  }
  const id = known.value[place];
  const kind = events.kinds[id];
  batch.event[row] = events.codes[id];
  let text = pos + length;
  const key = TEMPLATE_KEYS[kind];
  if (key >= 0) {
    while (buf[text] === BLANK) text++;
    return readTemplate(events.templates, view, buf, text, key, id, batch, row);
  }
  let end = -1;
  if (kind === PLAIN) end = findLineEnd(view, buf, text);
  else if (kind === SWITCH) {
    while (buf[text] === BLANK) text++;
    end = readCommonSwitch(view, buf, text, batch, row);
  }
  if (end < 0) return -1;
  batch.vcpu[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = -1;
  if (kind === PLAIN) batch.fields[row] = 0;
  return end;
}

/**
 * Remembers the text [pos, end) that parseEvent() has just read into the row, so that parseCommonEvent() knows its like;
 * to be called before anything else is done with the row.
 */
export function learnEventText(
  events: EventText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): void {
  const place = placeOf(events.known, view.getInt32(pos + 4, true), view.getUint16(pos + 8, true));
  const length = matchKnown(events.known, place, view, pos);
  if (length === 0) return;
  const id = events.known.value[place];
  const key = TEMPLATE_KEYS[events.kinds[id]];
  if (key < 0 || (recorded.count === 0 && recorded.bits === 0)) return;
  let text = pos + length;
  while (buf[text] === BLANK) text++;
  // The digits behind it can mean something else: readEntry().
  if (events.kinds[id] === ENTRY && buf[text] === UPPER_P) return;
  learnTemplate(events.templates, view, buf, text, end, key, id, batch, row);
}

function keepEventName(events: EventText, place: number, view: DataView, buf: Uint8Array, pos: number): void {
  let p = pos;
  while (NAME_BYTE[buf[p]] === 1) p++;
  if (buf[p] !== COLON || buf[p + 1] !== BLANK) return;
  const id = findName(events.names, buf, pos, p, hashBytes(buf, pos, p));
  if (id >= 0) keepKnown(events.known, place, view, pos, p + 2 - pos, id);
}

/** Position of the next line feed, or of a CR right before it; −1 if there are several. */
function findLineEnd(view: DataView, buf: Uint8Array, from: number): number {
  const feed = findFeed(view, buf, from);
  if (buf[feed - 1] !== CARRIAGE_RETURN) return feed;
  return buf[feed - 2] === CARRIAGE_RETURN ? -1 : feed - 1;
}
