/** What is said of a whole text input once it has been read. */
import { note, type Severity } from '../../core/diagnostics.ts';
import type { LineState } from './line-state.ts';

/** Most names in a message. */
const MAX_NAMES = 8;

export function noteInput(state: LineState): void {
  if (state.unreadable > 0)
    noteHere(
      state,
      'unreadable-lines',
      'suspect',
      'lines that are no trace events (damaged, or not from the recorder) were left out',
      `${state.input}: ${state.unreadable} of ${state.lines} lines, the first is line ${state.firstUnreadable}`,
      state.unreadable,
    );
  if (state.threadless > 0)
    noteHere(
      state,
      'lines-without-thread',
      'data-loss',
      'events whose line does not tell the thread (its columns were cut off): they are counted, but exits and entries cannot be paired',
      state.input,
      state.threadless,
    );
  if (state.doubtfulExits > 0)
    note(
      state.context.diagnostics,
      'restarts-not-printed',
      'suspect',
      'kvm_userspace_exit as trace-cmd and perf print it hides errors: KVM_EXIT_INTR and KVM_EXIT_UNKNOWN were counted as restarts, a restart printed with a stale reason cannot be told from an escalation; the binary recording can',
      state.doubtfulExits,
    );
  noteSharedEvents(state);
}

/** Events that more than one buffer of a report recorded. */
function noteSharedEvents({ context, origins }: LineState): void {
  if (origins.size < 2) return;
  const buffers = [...origins.values()];
  const shared = context.events.names.filter(
    (_, code) => buffers.filter(({ events }) => events[code] === 1).length > 1,
  );
  if (shared.length === 0) return;
  note(
    context.diagnostics,
    'events-in-several-buffers',
    'suspect',
    `events recorded in more than one buffer of the report (${buffers
      .slice(0, MAX_NAMES)
      .map(({ name }) => name || 'top')
      .join(', ')}) appear once per buffer: counts are too high and pairs too short (${shared
      .slice(0, MAX_NAMES)
      .join(', ')})`,
    shared.length,
  );
}

/** A counter whose message lists the inputs that it is about. */
function noteHere(
  state: LineState,
  code: string,
  severity: Severity,
  message: string,
  where: string,
  count: number,
): void {
  const known = state.context.diagnostics.entries.get(code);
  if (known) known.message += `; ${where}`;
  note(state.context.diagnostics, code, severity, `${message} (${where})`, count);
}
