/** Independent reading of `perf script --ns` and tracefs text of the corpus: what tests compare analyses with. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { findReasons, reasonName } from '../../src/isa/reasons.ts';

export interface ScriptEvent {
  readonly comm: string;
  readonly pid: number;
  readonly tid: number;
  readonly cpu: number;
  readonly ns: bigint;
  readonly name: string;
  readonly text: string;
}

const LINE =
  /^\s*(.+?)\s+(-?\d+)\/(-?\d+)\s+\[(\d+)\]\s+(\d+)\.(\d{9}):\s+(?:\d+\s+)?(?:kvm|sched):(\w+):\s?(.*)$/;

export function readScript(path: string): ScriptEvent[] {
  const events: ScriptEvent[] = [];
  for (const line of gunzipSync(readFileSync(path)).toString('latin1').split('\n')) {
    const match = LINE.exec(line);
    if (!match) continue;
    events.push({
      comm: match[1],
      pid: Number(match[2]),
      tid: Number(match[3]),
      cpu: Number(match[4]),
      ns: BigInt(match[5]) * 1000000000n + BigInt(match[6]),
      name: match[7],
      text: match[8],
    });
  }
  return events;
}

const FTRACE_LINE = /^\s*(.+)-(\d+)\s+\(\s*([\d-]+)\)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d{6}): (\w+): (.*)$/;

/** tracefs text with TGID column, likewise. */
export function readTraceText(path: string): ScriptEvent[] {
  const events: ScriptEvent[] = [];
  for (const line of gunzipSync(readFileSync(path)).toString('latin1').split('\n')) {
    const match = FTRACE_LINE.exec(line);
    if (!match) continue;
    events.push({
      comm: match[1],
      tid: Number(match[2]),
      pid: Number(match[3]) || -1,
      cpu: Number(match[4]),
      ns: BigInt(match[5]) * 1000000000n + BigInt(match[6]) * 1000n,
      name: match[7],
      text: match[8],
    });
  }
  return events;
}

/** What an exit's text says was its reason: arm64's exception class of a trap, else its exception type. */
function printedReason(text: string): string {
  const arm = /^(\w+): HSR_EC: \S+ \(([^)]*)\)/.exec(text);
  if (arm) return arm[1] === 'TRAP' ? arm[2] : arm[1];
  return /\breason (.+?) rip /.exec(text)?.[1] ?? '?';
}

/** An exit with what happened up to its entry. */
export interface ScriptExit {
  readonly exit: ScriptEvent;
  readonly reason: string;
  readonly between: ScriptEvent[];
  /** null: no entry followed. */
  latency: number | null;
}

/** Exits in the order of their exit, paired by thread. */
export function pairScript(events: readonly ScriptEvent[]): ScriptExit[] {
  const open = new Map<number, ScriptExit>();
  const exits: ScriptExit[] = [];
  for (const event of events) {
    if (event.name === 'kvm_exit') {
      const printed = printedReason(event.text);
      // perf with libtraceevent's own plugin prints SVM reasons in its spelling.
      const svm = printed.startsWith('EXIT_') ? findReasons(printed).find(({ isa }) => isa === 2) : undefined;
      const reason = svm ? reasonName(svm.isa, svm.code) : printed;
      const found: ScriptExit = { exit: event, reason, between: [], latency: null };
      open.set(event.tid, found);
      exits.push(found);
    } else if (event.name === 'kvm_entry') {
      const found = open.get(event.tid);
      if (found) found.latency = Number(event.ns - found.exit.ns);
      open.delete(event.tid);
    } else open.get(event.tid)?.between.push(event);
  }
  return exits;
}
