/**
 * What kvmtrace's own recorder adds to a trace.dat: JSON in PROCMAPS options, which trace-cmd skips (native/README.md,
 * "The file"). Everything in it is optional and checked, as everything in a file is.
 */
import { ISA_SVM, ISA_VMX } from '../../core/isa-codes.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';

const START = '{"kvmtrace":';

type Notes = Readonly<Record<string, unknown>>;

/** The notes in an option's text, null if it is none. */
export function parseRecorderNotes(text: string): Notes | null {
  if (!text.startsWith(START)) return null;
  const document: unknown = JSON.parse(text);
  const notes = isObject(document) ? document.kvmtrace : null;
  return isObject(notes) ? notes : null;
}

/**
 * Events that were still in the ring buffer when the recorder stopped reading it (a size limit, a full disk): counted
 * by the kernel as recorded, never in the file. 0 if nothing is said about that.
 */
export function eventsLeftBehind(all: readonly Notes[]): number {
  return countOf(lastStats(all).left);
}

/** CPUs whose buffers the kernel refused to give to their end, and its words; null if there were none. */
export function unreadAtEnd(all: readonly Notes[]): { readonly cpus: number; readonly error: string } | null {
  const stats = lastStats(all);
  const cpus = countOf(stats.unreadCpus);
  return cpus > 0 ? { cpus, error: text(stats.unreadError) ?? 'unknown error' } : null;
}

/** A switch of the recording's instance that somebody else had switched off by its end; null if none was. */
export function switchedOff(all: readonly Notes[]): string | null {
  return text(all.findLast((notes) => notes.switchedOff !== undefined)?.switchedOff);
}

function lastStats(all: readonly Notes[]): Notes {
  const stats = all.findLast((notes) => isObject(notes.stats))?.stats;
  return isObject(stats) ? stats : {};
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** Later notes (of the recording's end) complete and replace those of its start. */
export function applyRecorderNotes(all: readonly Notes[], context: TraceContext): void {
  for (const notes of all) {
    const { facts } = context;
    context.host = text(notes.host) ?? context.host;
    context.kernel = text(notes.kernel) ?? context.kernel;
    context.arch = text(notes.machine) ?? context.arch;
    applyCpu(notes.cpu, context);
    const recorder = text(notes.recorder);
    if (recorder) facts.set('recorder', recorder);
    const end = text(notes.end);
    if (end) facts.set('recording ended by', end);
    if (Array.isArray(notes.argv)) {
      const words = notes.argv.filter((word): word is string => typeof word === 'string');
      if (words.length > 0) facts.set('command', words.join(' '));
    }
    if (Array.isArray(notes.events)) {
      const names = notes.events.filter((name): name is string => typeof name === 'string');
      context.enabledEvents = new Set(names.map((name) => name.slice(name.indexOf(':') + 1)));
    }
    if (isObject(notes.start)) {
      const realtime = text(notes.start.realtime);
      const mono = text(notes.start.mono);
      if (realtime && mono) facts.set('clock wall ns', realtime).set('clock ns', mono);
    }
    applyThreads(notes, context);
  }
}

function applyCpu(cpu: unknown, context: TraceContext): void {
  if (!isObject(cpu)) return;
  context.cpuModel = text(cpu['model name']) ?? context.cpuModel;
  const vendor = text(cpu.vendor_id) ?? '';
  if (vendor === 'GenuineIntel') context.defaultIsa = ISA_VMX;
  else if (/^(AuthenticAMD|HygonGenuine)$/.test(vendor)) context.defaultIsa = ISA_SVM;
}

/** Thread groups, and the vCPUs of every VM. */
function applyThreads(notes: Notes, context: TraceContext): void {
  if (isObject(notes.threads))
    for (const [key, tids] of Object.entries(notes.threads)) {
      const pid = Number(key);
      if (!isTid(pid) || !Array.isArray(tids)) continue;
      for (const tid of [pid, ...tids]) if (isTid(tid)) threadOf(context.threads, tid).pid = pid;
    }
  if (!Array.isArray(notes.vms)) return;
  for (const vm of notes.vms) {
    if (!isObject(vm) || !isTid(vm.pid)) continue;
    const name = text(vm.name);
    threadOf(context.threads, vm.pid).vm = name;
    for (const pair of Array.isArray(vm.vcpus) ? vm.vcpus : []) {
      if (!Array.isArray(pair) || !isTid(pair[1]) || !Number.isInteger(pair[0]) || pair[0] < 0) continue;
      const thread = threadOf(context.threads, pair[1]);
      thread.vcpu = pair[0];
      thread.pid = vm.pid;
      thread.vm = name;
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTid(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0x7fffffff;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 4096) : null;
}
