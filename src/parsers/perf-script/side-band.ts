/** Lines of `perf script` that are no samples: `--show-lost-events`, `--show-task-events`, callchains, the header. */
import { BLANK, TAB } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { LineReader } from '../text/line-reader.ts';
import type { LineState } from '../text/line-state.ts';
import { storeTime } from '../text/line-time.ts';
import { addLoss, rememberLoss } from '../text/loss-rows.ts';
import { decodeText } from '../text/numbers.ts';

/** Bytes of a line that are looked at. */
const ENOUGH = 256;

const LOST = /^PERF_RECORD_LOST(_SAMPLES)?:? lost (\d{1,15})/;
/** A name may hold anything, so that its end is the last `:PID/TID`. */
const COMM = /^PERF_RECORD_COMM(?: exec)?: (.{0,64}):(\d{1,10})\/(\d{1,10})\s*$/s;
const FORK = /^PERF_RECORD_FORK\((\d{1,10}):(\d{1,10})\):/;

/** Takes the record at prefix.record. */
export function takeRecord(state: LineState, { buf }: LineReader, end: number): void {
  const { context, prefix } = state;
  const text = decodeText(buf, prefix.record, Math.min(end, prefix.record + ENOUGH));
  const lost = LOST.exec(text);
  if (lost) {
    takeLostRecord(state, Number(lost[2]), lost[1] !== undefined);
    return;
  }
  const comm = COMM.exec(text);
  if (comm) {
    const thread = threadOf(context.threads, Number(comm[3]));
    thread.comm = comm[1];
    thread.pid = Number(comm[2]);
    return;
  }
  const fork = FORK.exec(text);
  if (fork) threadOf(context.threads, Number(fork[2])).pid = Number(fork[1]);
}

/** LOST lies in time, LOST_SAMPLES repeats the same losses per event at the end of the file. */
function takeLostRecord(state: LineState, count: number, samples: boolean): void {
  const { context, prefix, window } = state;
  if (samples) {
    note(
      context.diagnostics,
      'lost-samples',
      'info',
      'samples that perf counted as lost, stated at the end of the recording (not added: LOST records tell them where they happened)',
      count,
    );
    return;
  }
  const { batch } = window;
  rememberLoss(state, prefix.cpu, count);
  if (!storeTime(state, batch.time, batch.length + 1)) return;
  addLoss(state, prefix.cpu);
  state.lastRow = -1;
}

/** `\tffffffff8129c59a emulator_pio_out+0x7a ([kernel.kallsyms])`; with `-F ip` but not `sym` the address alone. */
const FRAME = /^\s+[0-9a-f]{1,16}(?: (?:\S.*\(.*\)|\[unknown\].*|\S+))?\s*$/;
/** What `--show-namespace-events` puts on lines of their own: `\t\t[0/net: 4/0xf0000000, 1/uts: 4/0xeffffffe, …`. */
const NAMESPACES = /^\t\t[ []\d+\/\w+: \d+\/(?:0x)?[0-9a-f]+[,\]]/;
/** perf's own records have neither thread nor time: `PERF_RECORD_FINISHED_ROUND`. */
const BARE_RECORD = /^PERF_RECORD_[A-Z_]{2,30}\b/;

/** Lines that belong to a sample or record, or are one of perf's own records. */
export function isSideLine(buf: Uint8Array, start: number, end: number): boolean {
  const text = decodeText(buf, start, Math.min(end, start + 1024));
  if (buf[start] === TAB || buf[start] === BLANK) return FRAME.test(text) || NAMESPACES.test(text);
  return BARE_RECORD.test(text);
}

const HEADER = /^# (hostname|os release|arch|cpudesc|cmdline|perf version|captured on)\s*: (.{1,512})$/;

/** Takes what `perf script --header` tells about the recording. */
export function takeHeaderLine(context: TraceContext, buf: Uint8Array, start: number, end: number): void {
  const header = HEADER.exec(decodeText(buf, start, Math.min(end, start + 600)).trimEnd());
  if (!header) return;
  const [, key, value] = header;
  switch (key) {
    case 'hostname':
      context.host = value;
      break;
    case 'os release':
      context.kernel = value;
      break;
    case 'arch':
      context.arch = value;
      break;
    case 'cpudesc':
      context.cpuModel = value;
      break;
    default:
      context.facts.set(key, value);
  }
}
