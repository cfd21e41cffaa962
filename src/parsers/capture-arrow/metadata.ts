/**
 * TraceContext ↔ schema metadata: one JSON document per topic under `kvmtrace.…` keys (docs/capture-format.md).
 * What is in the rows' dictionaries (event names in use, texts) is not repeated here.
 */
import { type Diagnostic, listDiagnostics, note, type Severity } from '../../core/diagnostics.ts';
import { eventCode, FIRST_DYNAMIC_EVENT } from '../../core/events.ts';
import { isaName } from '../../core/isa-codes.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { SourceInfo, TraceContext } from '../../core/trace-context.ts';

export type Topic = 'sources' | 'host' | 'clock' | 'events' | 'threads' | 'diagnostics' | 'facts';

const known = (number: number): number | null => (number === -1 ? null : number);

/** The JSON document of each topic. */
export const TOPICS: Readonly<Record<Topic, (context: TraceContext) => unknown>> = {
  sources: (context) => context.sources,
  host: ({ host, kernel, arch, cpuModel, defaultIsa }) => ({
    host,
    kernel,
    arch,
    cpuModel,
    defaultIsa,
    isa: isaName(defaultIsa),
  }),
  clock: ({ clock, timeIsNs, timeResolutionNs }) => ({ clock, timeIsNs, timeResolutionNs }),
  events: ({ enabledEvents, events, markerName }) => ({
    enabled: enabledEvents && [...enabledEvents],
    markerName,
    names: events.names.slice(FIRST_DYNAMIC_EVENT),
  }),
  threads: ({ threads }) =>
    [...threads.byTid.values()].map(({ tid, pid, comm, vcpu, vm }) => ({
      tid,
      pid: known(pid),
      comm,
      vcpu: known(vcpu),
      vm,
    })),
  diagnostics: ({ diagnostics }) => listDiagnostics(diagnostics),
  facts: ({ facts }) => [...facts],
};

export const TOPIC_NAMES = Object.keys(TOPICS) as readonly Topic[];

export function topicKey(topic: Topic): string {
  return `kvmtrace.${topic}`;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
const integerOr = (value: unknown, fallback: number): number =>
  Number.isSafeInteger(value) ? (value as number) : fallback;

const SEVERITIES: readonly string[] = ['info', 'suspect', 'data-loss'] satisfies Severity[];

function readSources(context: TraceContext, value: unknown): void {
  for (const { path, format, bytes, sha256 } of objects(value)) {
    const source: SourceInfo = {
      path: textOrNull(path) ?? '?',
      format: textOrNull(format) ?? '?',
      bytes: Number.isSafeInteger(bytes) ? (bytes as number) : null,
    };
    if (typeof sha256 === 'string') source.sha256 = sha256;
    context.sources.push(source);
  }
}

/** Fills what a topic says into the context; anything of another shape is left out. */
const READERS: Readonly<Record<Topic, (context: TraceContext, value: unknown) => void>> = {
  sources: readSources,
  host(context, value) {
    if (!isObject(value)) return;
    context.host = textOrNull(value.host) ?? context.host;
    context.kernel = textOrNull(value.kernel) ?? context.kernel;
    context.arch = textOrNull(value.arch) ?? context.arch;
    context.cpuModel = textOrNull(value.cpuModel) ?? context.cpuModel;
    const isa = integerOr(value.defaultIsa, 0);
    if (isa > 0 && isa < 256) context.defaultIsa = isa;
  },
  clock(context, value) {
    if (!isObject(value)) return;
    context.clock = textOrNull(value.clock) ?? context.clock;
    if (typeof value.timeIsNs === 'boolean') context.timeIsNs = value.timeIsNs;
    if (Number.isFinite(value.timeResolutionNs) && (value.timeResolutionNs as number) > 0)
      context.timeResolutionNs = value.timeResolutionNs as number;
  },
  events(context, value) {
    if (!isObject(value)) return;
    if (Array.isArray(value.enabled)) {
      context.enabledEvents ??= new Set();
      for (const name of strings(value.enabled)) context.enabledEvents.add(name);
    }
    context.markerName = textOrNull(value.markerName) ?? context.markerName;
    for (const name of strings(value.names)) eventCode(context.events, name);
  },
  threads(context, value) {
    for (const { tid, pid, comm, vcpu, vm } of objects(value)) {
      if (!Number.isSafeInteger(tid)) continue;
      const thread = threadOf(context.threads, tid as number);
      thread.pid = integerOr(pid, thread.pid);
      thread.comm = textOrNull(comm) ?? thread.comm;
      thread.vcpu = integerOr(vcpu, thread.vcpu);
      thread.vm = textOrNull(vm) ?? thread.vm;
    }
  },
  diagnostics(context, value) {
    for (const { code, severity, message, count } of objects(value)) {
      if (typeof code !== 'string' || typeof message !== 'string') continue;
      const known = SEVERITIES.includes(severity as string)
        ? (severity as Diagnostic['severity'])
        : 'suspect';
      note(context.diagnostics, code, known, message, Math.max(0, integerOr(count, 1)));
    }
  },
  facts(context, value) {
    if (!Array.isArray(value)) return;
    for (const pair of value)
      if (Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string')
        context.facts.set(pair[0], pair[1]);
  },
};

/** Fills the context from a file's metadata. A document that is no JSON is counted. */
export function applyMetadata(metadata: ReadonlyMap<string, string>, context: TraceContext): void {
  for (const topic of TOPIC_NAMES) {
    const text = metadata.get(topicKey(topic));
    if (text === undefined) continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      note(
        context.diagnostics,
        'damaged-metadata',
        'suspect',
        'part of what the capture says about host, threads and recording cannot be read',
      );
      continue;
    }
    READERS[topic](context, value);
  }
}
