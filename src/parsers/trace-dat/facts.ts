/** What the recording's options tell about host, clock and threads, written to the context. */
import { note } from '../../core/diagnostics.ts';
import { isaOfMachine } from '../../core/isa-codes.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { applyRecorderNotes } from './recorder-notes.ts';
import type { Recording } from './recording.ts';

/** Trace clocks that count ns. */
const NS_CLOCKS: ReadonlySet<string> = new Set([
  'local',
  'global',
  'perf',
  'mono',
  'mono_raw',
  'boot',
  'tai',
  'tsc2nsec',
]);
/** Systems above which all formats of the kernel were stored (trace-cmd extract), whatever was enabled. */
const MOST_ENABLED_SYSTEMS = 32;

/**
 * The clock of the times: TRACECLOCK's, else the buffer's. An instance's BUFFER option names the clock of the top buffer:
 * `trace-cmd record -B NAME -C mono` says `local` there and `[mono]` in TRACECLOCK, which is right.
 */
export function clockOf(recording: Recording): string | null {
  return recording.options.clock ?? recording.buffers.find(({ clock }) => clock)?.clock ?? null;
}

export function applyFacts(recording: Recording, context: TraceContext): void {
  const { options, formats, buffers } = recording;
  const { facts, diagnostics } = context;
  facts.set('file version', `${recording.version}`);
  if (recording.compression !== 'none') facts.set('compression', recording.compression);
  if (options.recorder)
    facts.set(
      'recorder',
      options.recorder.startsWith('kvmtrace') ? options.recorder : `trace-cmd ${options.recorder}`,
    );
  if (options.cpuCount !== null) facts.set('cpus', `${options.cpuCount}`);
  if (buffers.length > 1) facts.set('buffers', buffers.map(({ name }) => name || '(top)').join(', '));
  applyUname(options.uname, context);
  applyClock(recording, context);
  applyThreads(recording, context);
  context.enabledEvents = formats.systems.size > MOST_ENABLED_SYSTEMS ? null : new Set(formats.names);
  applyRecorderNotes(options.recorderNotes, context);
  if (formats.damaged > 0)
    note(
      diagnostics,
      'damaged-event-format',
      'suspect',
      'event formats that cannot be read; their events are not decoded',
      formats.damaged,
    );
}

/** `Linux HOST RELEASE MACHINE`. */
function applyUname(uname: string | null, context: TraceContext): void {
  const words = uname?.trim().split(/\s+/) ?? [];
  if (words.length < 4) return;
  context.host = words[1];
  context.kernel = words[2];
  context.arch = words[3];
  context.defaultIsa = isaOfMachine(words[3]) || context.defaultIsa;
}

function applyClock(recording: Recording, context: TraceContext): void {
  const { options, buffers } = recording;
  const { facts, diagnostics } = context;
  const clock = clockOf(recording);
  context.clock = clock;
  for (const { name, clock: own } of buffers)
    if (own && own !== clock) {
      facts.set(`clock of ${name || 'the top buffer'}`, own);
      note(
        diagnostics,
        'buffer-clock-differs',
        'info',
        "buffers name another clock than the recording does (trace-cmd notes the top buffer's for instances): the recording's was taken",
      );
    }
  if (options.tscToNs) facts.set('cycles to ns', `× ${options.tscToNs.mult} >> ${options.tscToNs.shift}`);
  else if (clock === 'uptime') context.timeResolutionNs = 10_000_000;
  else if (clock !== null && !NS_CLOCKS.has(clock)) {
    context.timeIsNs = false;
    note(
      diagnostics,
      'time-without-unit',
      'suspect',
      `times are plain numbers (clock ${clock}): order and counts hold, but durations have no unit`,
    );
  }
  if (options.offsetNs !== null) {
    facts.set('time offset ns', `${options.offsetNs}`);
    // No longer the clock's own times: they must not be joined with other files of that clock.
    context.clock = `${clock ?? 'unknown'}${options.hasDate ? '+date' : '+offset'}`;
  }
  if (options.timeShift) {
    facts.set('time shift', 'guest to host');
    note(
      diagnostics,
      'guest-file',
      'info',
      "recorded in a guest: its times were shifted to the host's clock, and it holds no exits of the host",
    );
  }
}

function applyThreads(recording: Recording, context: TraceContext): void {
  const { guests, processes } = recording.options;
  for (const [pid, comm] of processes) {
    const thread = threadOf(context.threads, pid);
    thread.comm ??= comm;
    thread.pid = pid;
  }
  for (const { name, vcpus } of guests)
    for (const { vcpu, tid } of vcpus) {
      const thread = threadOf(context.threads, tid);
      thread.vcpu = vcpu;
      thread.vm = name;
    }
  if (guests.length > 0)
    context.facts.set(
      'guests',
      guests.map(({ name, vcpus }) => `${name} (${vcpus.length} vCPUs)`).join(', '),
    );
}
