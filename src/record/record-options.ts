/** What `kvmtrace record` is asked for: words of the command line → checked values and the helper's arguments. */
import { UsageError } from '../core/errors.ts';

/** As the command line gives them. */
export interface RawRecord {
  output?: string;
  duration?: string;
  pid?: string[];
  tid?: string[];
  cpu?: string[];
  event?: string[];
  detail?: boolean;
  sched?: boolean;
  buffer?: string;
  maxSize?: string;
  backend?: string;
  text?: boolean;
  keepRaw?: boolean;
  helper?: string;
  qmp?: string;
  qemuTrace?: string;
  traceEvents?: string;
  cleanup?: boolean;
  quiet?: boolean;
}

export type RawKind = 'trace.dat' | 'text' | 'perf.data';

export interface RecordOptions {
  readonly output: string;
  readonly rawKind: RawKind;
  readonly keepRaw: boolean;
  /** ms; null: until it is stopped. */
  readonly durationMs: number | null;
  /** Bytes of the raw file; null: as the disk allows. */
  readonly maxBytes: number | null;
  /** Selection, as arguments of the helper. */
  readonly selection: readonly string[];
  readonly detail: boolean;
  readonly command: readonly string[];
  readonly helper: string | null;
  readonly qmp: string | null;
  readonly qemuTrace: string | null;
  readonly quiet: boolean;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
/** Node's timers take no longer ones (2^31 ms); a month is no recording any more. */
const MAX_MS = 24 * 3_600_000;

/** @throws UsageError that names the option and what it takes. */
export function readRecordOptions(raw: RawRecord, command: readonly string[]): RecordOptions {
  const output = raw.output ?? 'capture.arrow';
  if (output === '-')
    throw new UsageError(
      '-o -: a recording goes to a file',
      'Use -o capture.arrow. Text for a pipe: kvmtrace-capture --text | …',
    );
  if (!/\.arrow$/i.test(output) || /(^|\/)\.arrow$/i.test(output))
    throw new UsageError(
      `-o ${output}: a capture's name ends in .arrow`,
      "Use -o capture.arrow; with --keep-raw the kernel's own format (capture.dat) stays beside it.",
    );
  const backend = raw.backend ?? 'tracefs';
  if (backend !== 'tracefs' && backend !== 'perf')
    throw new UsageError(`--backend ${backend}: expected tracefs or perf`);
  if (backend === 'perf' && raw.text)
    throw new UsageError('--backend perf and --text exclude each other', 'Leave one out.');
  const pids = idList(raw.pid, '-p', 1);
  const tids = idList(raw.tid, '-t', 1);
  if (backend === 'perf' && pids && tids)
    throw new UsageError('--backend perf takes -p or -t, not both', 'Leave one out.');
  const durationMs = raw.duration === undefined ? null : duration(raw.duration);
  const maxBytes = raw.maxSize === undefined ? null : size(raw.maxSize, '--max-size', 1);
  const selection: string[] = [];
  if (raw.detail) selection.push('--detail');
  if (raw.sched) selection.push('--sched');
  for (const event of raw.event ?? []) selection.push('-e', eventName(event));
  if (pids) selection.push('-p', pids);
  if (tids) selection.push('-t', tids);
  const cpus = cpuList(raw.cpu);
  if (cpus) selection.push('-C', cpus);
  if (raw.buffer !== undefined) {
    size(raw.buffer, '-b', 1024);
    selection.push('-b', raw.buffer);
  }
  if (backend === 'perf') selection.push('--backend', 'perf');
  if (raw.text) selection.push('--text');
  return {
    output,
    rawKind: backend === 'perf' ? 'perf.data' : raw.text ? 'text' : 'trace.dat',
    keepRaw: raw.keepRaw === true,
    durationMs,
    maxBytes,
    selection,
    detail: raw.detail === true,
    command,
    helper: nonEmpty(raw.helper, '--helper'),
    qmp: nonEmpty(raw.qmp, '--qmp'),
    qemuTrace: nonEmpty(raw.qemuTrace, '--qemu-trace'),
    quiet: raw.quiet === true,
  };
}

function nonEmpty(value: string | undefined, option: string): string | null {
  if (value === '') throw new UsageError(`${option} needs a file name`);
  return value ?? null;
}

/** ms of 10, 10s, 500ms, 1.5m. */
export function duration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|)$/.exec(text.trim());
  const ms = match ? Number(match[1]) * UNIT_MS[match[2]] : Number.NaN;
  if (!(ms >= 1 && ms <= MAX_MS))
    throw new UsageError(
      `-d ${text}: expected a time from 1ms to 24h`,
      'Seconds, or with a unit: 10, 10s, 500ms, 2m.',
    );
  return Math.round(ms);
}

/** Bytes of 512K, 64M, 2G; plain numbers count as `unit`. */
export function size(text: string, option: string, unit: number): number {
  const match = /^(\d{1,15})(?:([KMGT])(?:i?B)?)?$/i.exec(text.trim());
  const bytes = match
    ? Number(match[1]) * (match[2] ? UNIT_BYTES[match[2].toUpperCase()] : unit)
    : Number.NaN;
  if (!(bytes > 0 && bytes <= 2 ** 50))
    throw new UsageError(`${option} ${text}: expected a size such as 512K, 64M or 2G`);
  return bytes;
}

function idList(values: string[] | undefined, option: string, min: number): string | null {
  if (values === undefined) return null;
  const ids = values.flatMap((value) => value.split(',')).map((item) => item.trim());
  for (const id of ids)
    if (!/^\d{1,10}$/.test(id) || Number(id) < min || Number(id) > 0x7fffffff)
      throw new UsageError(`${option} ${values.join(',')}: '${id}' is not a process or thread number`);
  if (ids.length > 4096) throw new UsageError(`${option}: at most 4096 numbers`);
  return ids.map(Number).join(',');
}

function cpuList(values: string[] | undefined): string | null {
  if (values === undefined) return null;
  const items = values.flatMap((value) => value.split(',')).map((item) => item.trim());
  for (const item of items) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(item);
    if (!match || Number(match[2] ?? match[1]) < Number(match[1]))
      throw new UsageError(
        `-C ${values.join(',')}: '${item}' is not a CPU or a range of CPUs`,
        'Such as 0-3,8.',
      );
  }
  return items.join(',');
}

function eventName(text: string): string {
  if (!/^[\w*?[\]-]+(?:[:/][\w*?[\]-]+)?$/.test(text) || text.length > 150)
    throw new UsageError(
      `-e ${text}: expected an event such as kvm:kvm_pio`,
      'All there are: ls /sys/kernel/tracing/events/kvm',
    );
  if (FLOOD.every((event) => matches(text, event)))
    throw new UsageError(
      `-e ${text}: all KVM events come by the million per second on some hosts`,
      '--detail records those that explain exits; name further ones: -e kvm:kvm_ack_irq',
    );
  return text;
}

/** A pattern for all of these is one for whatever KVM has; the first of them is the one that floods. */
const FLOOD = ['kvm_emulate_insn', 'kvm_exit', 'kvm_pio', 'kvm_ack_irq'];

/** Whether `system:name`, `system/name` or `name` with shell patterns is (also) this event of the system kvm. */
function matches(pattern: string, event: string): boolean {
  const [name, system = '*'] = pattern.split(/[:/]/).reverse();
  const is = (glob: string, word: string) => {
    try {
      return new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(word);
    } catch {
      return false; // Brackets that are no set match nothing in the helper either.
    }
  };
  return is(system, 'kvm') && is(name, event);
}
