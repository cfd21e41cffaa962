/**
 * Options of a trace.dat: facts about the recording. Numbers and bodies: lib/trace-cmd/trace-input.c of trace-cmd,
 * trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5). Options that say where data is (BUFFER, sections)
 * are the containers' business (version6.ts, version7.ts).
 */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { type Cursor, readBig, readString, readText, readU32, skip } from './cursor.ts';
import { parseRecorderNotes } from './recorder-notes.ts';
import type { CpuCounters, RecordingOptions, ShiftSample, TimeShift } from './recording.ts';

export const OPTION_DONE = 0;
const OPTION_DATE = 1;
const OPTION_CPUSTAT = 2;
export const OPTION_BUFFER = 3;
const OPTION_TRACECLOCK = 4;
const OPTION_UNAME = 5;
const OPTION_OFFSET = 7;
export const OPTION_CPUCOUNT = 8;
const OPTION_VERSION = 9;
const OPTION_PROCMAPS = 10;
const OPTION_TIME_SHIFT = 12;
const OPTION_GUEST = 13;
const OPTION_TSC2NSEC = 14;
/** Highest option that is known: HOOK 6, TRACEID 11, BTF_FILE 23, LAST_BOOT_INFO 24 and MODULES_FILE 25 tell nothing of use. */
const LAST_OPTION = 25;

const MAX_GUESTS = 4096;
const MAX_VCPUS = 65536;
const MAX_COUNTERS = 1 << 16;
const MAX_PROCESSES = 1 << 16;
/** Bytes of a text that are looked at; kvmtrace's own notes are the longest. */
const MAX_TEXT = 1 << 20;
const MAX_NAME = 4096;
/** Of kvmtrace's own recorder, which writes some at the start and some at the end. */
const MAX_NOTES = 16;

export function createOptions(): RecordingOptions {
  return {
    offsetNs: null,
    hasDate: false,
    clock: null,
    uname: null,
    recorder: null,
    cpuCount: null,
    counters: [],
    countersOf: '',
    guests: [],
    timeShift: null,
    tscToNs: null,
    processes: new Map(),
    recorderNotes: [],
  };
}

/** Takes in one option with the body that `body` spans; damage is counted. */
export function takeOption(
  options: RecordingOptions,
  id: number,
  body: Cursor,
  diagnostics: Diagnostics,
): void {
  try {
    readOption(options, id, body, diagnostics);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    note(
      diagnostics,
      'damaged-option',
      'suspect',
      `an option of the file is damaged and was left out (first: number ${id}, ${error.message})`,
    );
  }
}

function readOption(options: RecordingOptions, id: number, body: Cursor, diagnostics: Diagnostics): void {
  const text = () => readText(body, Math.min(body.end - body.at, MAX_TEXT)).split('\0', 1)[0];
  switch (id) {
    case OPTION_DATE:
      // Microseconds as 0x…; --date makes times those of the wall clock.
      addOffset(options, parseInteger(text()) * 1000n);
      options.hasDate = true;
      break;
    case OPTION_OFFSET:
      addOffset(options, parseInteger(text()));
      break;
    case OPTION_CPUSTAT:
      takeCounters(options, text(), diagnostics);
      break;
    case OPTION_TRACECLOCK:
      options.clock = selectedClock(text());
      break;
    case OPTION_UNAME:
      options.uname = text().slice(0, MAX_NAME);
      break;
    case OPTION_CPUCOUNT:
      options.cpuCount = readU32(body);
      break;
    case OPTION_VERSION:
      options.recorder = text()
        .slice(0, MAX_NAME)
        .replace(/ not-a-git-repo$/, '')
        .trim();
      break;
    case OPTION_PROCMAPS: {
      const whole = text();
      const notes = parseRecorderNotes(whole);
      if (notes) {
        if (options.recorderNotes.length < MAX_NOTES) options.recorderNotes.push(notes);
        else noteBeyondLimit(diagnostics);
        break;
      }
      // `pid maps comm` in hexadecimal, then a line per mapping.
      const match = /^([0-9a-f]{1,8}) [0-9a-f]+ (\S+)/.exec(whole.slice(0, 512));
      if (match === null) break;
      if (options.processes.size < MAX_PROCESSES)
        options.processes.set(Number.parseInt(match[1], 16), match[2]);
      else noteBeyondLimit(diagnostics);
      break;
    }
    case OPTION_TIME_SHIFT:
      options.timeShift = readTimeShift(body);
      break;
    case OPTION_GUEST:
      if (options.guests.length < MAX_GUESTS) readGuest(options, body);
      else noteBeyondLimit(diagnostics);
      break;
    case OPTION_TSC2NSEC: {
      const mult = readU32(body);
      const shift = readU32(body);
      if (mult !== 0 && shift < 64) options.tscToNs = { mult, shift };
      break;
    }
    default:
      if (id > LAST_OPTION)
        note(diagnostics, 'unknown-options', 'info', 'options of a kind that is not known were left out');
  }
}

function noteBeyondLimit(diagnostics: Diagnostics): void {
  note(
    diagnostics,
    'options-beyond-limit',
    'suspect',
    'processes, guests, counters or notes of the recorder beyond those that are kept were left out',
  );
}

function addOffset(options: RecordingOptions, ns: bigint): void {
  options.offsetNs = BigInt.asIntN(64, (options.offsetNs ?? 0n) + ns);
}

/** As strtoll(…, 0) reads it: an optional sign, 0x for hexadecimal. */
function parseInteger(text: string): bigint {
  const match = /^\s*([+-]?)(0x[0-9a-f]{1,16}|\d{1,20})/i.exec(text);
  if (!match) throw new RangeError('no number');
  return match[1] === '-' ? -BigInt(match[2]) : BigInt(match[2]);
}

/** `[local] global counter …`: the one in brackets; newer trace-cmd stores that one only. */
export function selectedClock(text: string): string | null {
  return /\[([\w-]{1,32})\]/.exec(text)?.[1] ?? null;
}

/** Text of per_cpu/cpuN/stats with `CPU: N` in front, or `Buffer: NAME` that says whose counters follow. */
function takeCounters(options: RecordingOptions, text: string, diagnostics: Diagnostics): void {
  const buffer = /^[ \t]*Buffer:(.*)$/m.exec(text);
  if (buffer) options.countersOf = buffer[1].trim();
  const cpu = counter(text, 'CPU');
  if (cpu === null) return;
  if (options.counters.length >= MAX_COUNTERS) {
    noteBeyondLimit(diagnostics);
    return;
  }
  const left = counter(text, 'entries');
  const read = counter(text, 'read events');
  options.counters.push({
    buffer: options.countersOf,
    cpu,
    // Older kernels do not count what was read.
    recorded: left === null || read === null ? null : left + read,
    overrun: counter(text, 'overrun') ?? 0,
    dropped: counter(text, 'dropped events') ?? 0,
    commitOverrun: counter(text, 'commit overrun') ?? 0,
  } satisfies CpuCounters);
}

function counter(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s*(\\d{1,15})\\s*$`, 'm').exec(text);
  return match ? Number(match[1]) : null;
}

/** Flag TRACECMD_TSYNC_FLAG_INTERPOLATE. */
const FLAG_INTERPOLATE = 1;

/** u64 peer's trace id, u32 flags, u32 CPUs; per CPU u32 n, n times, n offsets, n scalings; then n fraction bits each. */
function readTimeShift(body: Cursor): TimeShift {
  skip(body, 8);
  const flags = readU32(body);
  const cpus: ShiftSample[][] = [];
  const cpuCount = readU32(body);
  if (cpuCount > MAX_VCPUS) throw new RangeError(`${cpuCount} vCPUs cannot be`);
  for (let left = cpuCount; left > 0; left--) {
    const count = readU32(body);
    if (count * 24 > body.end - body.at) throw new RangeError(`${count} time samples do not fit`);
    const times = Array.from({ length: count }, () => BigInt.asIntN(64, readBig(body)));
    const offsets = Array.from({ length: count }, () => BigInt.asIntN(64, readBig(body)));
    const scalings = Array.from({ length: count }, () => readBig(body));
    cpus.push(times.map((time, i) => ({ time, offset: offsets[i], scaling: scalings[i], fraction: 0n })));
  }
  if (body.at < body.end)
    for (const samples of cpus) for (const sample of samples) sample.fraction = readBig(body) & 63n;
  for (const samples of cpus) {
    samples.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    const kept = samples.filter((sample, i) => i === 0 || sample.time !== samples[i - 1].time);
    samples.splice(0, samples.length, ...kept);
  }
  return { interpolate: (flags & FLAG_INTERPOLATE) !== 0, cpus };
}

const utf8 = new TextDecoder();

/** Name, u64 the guest's trace id, u32 count, then {u32 vCPU, u32 host tid} each. */
function readGuest(options: RecordingOptions, body: Cursor): void {
  const name = utf8.decode(Uint8Array.from(readString(body), (char) => char.charCodeAt(0)));
  skip(body, 8);
  const count = readU32(body);
  if (count > MAX_VCPUS || count * 8 > body.end - body.at) throw new RangeError(`${count} vCPUs do not fit`);
  const vcpus = Array.from({ length: count }, () => ({ vcpu: readU32(body), tid: readU32(body) }));
  options.guests.push({ name, vcpus });
}
