/**
 * Pairing by brute force: of each exit its thread's other events are looked through, and of each pair every loss in the
 * recording, as docs/semantics.md says. Shares no code with the analysis but the numbers of events.
 */
import {
  EV_ENTRY,
  EV_EXIT,
  EV_EXIT_CSR,
  EV_GET_TIMER_MAP,
  EV_INJ_VIRQ,
  EV_LOST,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_RUN_EXIT,
  EV_USERSPACE_EXIT,
} from '../../src/core/events.ts';
import type { TestEvent } from './events.ts';

export interface OracleExit {
  row: number;
  fate: 'paired' | 'withoutEntry' | 'open' | 'lost';
  tid: number;
  isa: number;
  exitNs: number;
  entryNs: number | null;
  exitCpu: number;
  entryCpu: number | null;
  latency: number;
  /** Its entry is stamped before it. */
  negative: boolean;
  code: number;
  pid: number;
  vcpu: number;
  level: number;
  restarts: number;
  errors: number;
  userspace: { code: number; kernelNs: number; userspaceNs: number } | null;
  detail: { event: number; address: number } | null;
  vector: number;
}

/** What the recording's list of threads says of one. */
export type Known = Readonly<Record<number, { readonly pid: number; readonly vcpu: number } | undefined>>;

const time = (event: TestEvent): number => Number(event.time);

/** The times between which a CPU's loss lies: those of its records before and after row `at`. */
function gapOf(events: readonly TestEvent[], at: number): [number, number] {
  const isRecord = (event: TestEvent) => event.cpu === events[at].cpu && event.event !== EV_LOST;
  const before = events.slice(0, at).findLast(isRecord);
  const after = events.slice(at + 1).find(isRecord);
  return [before ? time(before) : -Infinity, after ? time(after) : Infinity];
}

function liesInLoss(events: readonly TestEvent[], exit: TestEvent, entry: TestEvent): boolean {
  // Both its ends are records: it lies in no gap.
  if (time(exit) === time(entry)) return false;
  return events.some((event, at) => {
    if (event.event !== EV_LOST || (event.cpu !== exit.cpu && event.cpu !== entry.cpu)) return false;
    const [from, to] = gapOf(events, at);
    return (at < events.indexOf(entry) || from < time(entry)) && to > time(exit);
  });
}

/** What the thread's rows up to `end` say of its vCPU: exits and entries always, others while nothing else does. */
function knownVcpu(events: readonly TestEvent[], threads: Known, tid: number, end: number): number {
  let known = threads[tid]?.vcpu ?? -1;
  for (const { event, tid: of, vcpu = -1 } of events.slice(0, end + 1)) {
    if (of !== tid || vcpu < 0) continue;
    if (event === EV_EXIT || event === EV_ENTRY || (event === EV_GET_TIMER_MAP && known < 0)) known = vcpu;
  }
  return known;
}

function knownPid(events: readonly TestEvent[], threads: Known, tid: number, end: number): number {
  const rows = events.slice(0, end + 1);
  const told = rows.filter(
    ({ event, tid: of, pid = -1 }) => of === tid && pid >= 0 && (event === EV_EXIT || event === EV_ENTRY),
  );
  return told.at(-1)?.pid ?? threads[tid]?.pid ?? -1;
}

/** The first access that has an address, or else the first fault. */
function detailOf(between: readonly TestEvent[]): OracleExit['detail'] {
  const named = between.filter(({ address }) => address !== undefined);
  const found =
    named.find(({ event }) => event === EV_PIO) ?? named.find(({ event }) => event === EV_PAGE_FAULT);
  return found ? { event: found.event, address: Number(found.address) } : null;
}

function levelOf(between: readonly TestEvent[]): number {
  const nested = between.findIndex(({ event }) => event === EV_NESTED_VMEXIT);
  if (nested < 0) return 0;
  return between.slice(nested).some(({ event }) => event === EV_NESTED_VMEXIT_INJECT) ? 2 : 1;
}

function decide(events: readonly TestEvent[], threads: Known, row: number): OracleExit {
  const exit = events[row];
  const { tid = -1 } = exit;
  const later = events.findIndex(
    ({ event, tid: of }, at) => at > row && of === tid && (event === EV_EXIT || event === EV_ENTRY),
  );
  // Exits of unknown thread have no events of their own.
  const own = tid < 0 ? [] : events.slice(row + 1, later < 0 ? events.length : later);
  const between = own.filter((event) => event.tid === tid);
  const entry = tid >= 0 && later >= 0 && events[later].event === EV_ENTRY ? events[later] : null;
  const lost = entry !== null && liesInLoss(events, exit, entry);
  const errnos = between.flatMap(({ event, arg0 = 0 }) =>
    event === EV_USERSPACE_EXIT ? [Number(arg0)] : [],
  );
  const toQemu = between.find(
    ({ event, arg0 = 0 }) => event === EV_RUN_EXIT || (event === EV_USERSPACE_EXIT && Number(arg0) >= 0),
  );
  // What ends the exit tells of the thread as well, if it is its entry.
  const end = later < 0 ? events.length - 1 : entry ? later : later - 1;
  const injected = between.findLast(({ event, address }) => event === EV_INJ_VIRQ && address !== undefined);
  return {
    row,
    fate: entry ? (lost ? 'lost' : 'paired') : tid >= 0 && later < 0 ? 'open' : 'withoutEntry',
    tid,
    isa: exit.isa ?? 0,
    exitNs: time(exit),
    entryNs: entry && time(entry),
    exitCpu: exit.cpu!,
    entryCpu: entry?.cpu ?? null,
    latency: entry && !lost ? Math.max(0, time(entry) - time(exit)) : 0,
    negative: entry !== null && time(entry) < time(exit),
    // loongarch: an event of its own tells the reason more precisely.
    code:
      between.findLast(({ event, code }) => event === EV_EXIT_CSR && code !== undefined)?.code ??
      exit.code ??
      0,
    pid: tid < 0 ? (exit.pid ?? -1) : knownPid(events, threads, tid, end),
    vcpu: (exit.vcpu ?? -1) >= 0 || tid < 0 ? (exit.vcpu ?? -1) : knownVcpu(events, threads, tid, end),
    level: levelOf(between),
    restarts: errnos.filter((errno) => errno === -4).length,
    errors: errnos.filter((errno) => errno < 0 && errno !== -4).length,
    userspace: toQemu
      ? {
          code: toQemu.code ?? 0,
          kernelNs: Math.max(0, time(toQemu) - time(exit)),
          userspaceNs: entry && !lost ? Math.max(0, time(entry) - time(toQemu)) : 0,
        }
      : null,
    detail: detailOf(between),
    vector: injected ? Number(injected.address) : -1,
  };
}

/** The fate of each exit, in the order in which they were recorded. */
export function pairingOracle(events: readonly TestEvent[], threads: Known = {}): OracleExit[] {
  return events.flatMap((event, row) => (event.event === EV_EXIT ? [decide(events, threads, row)] : []));
}

/** What pairing counts besides. */
export function countsOracle(events: readonly TestEvent[]): Record<string, number> {
  const exits = pairingOracle(events);
  const entries = events.filter(({ event }) => event === EV_ENTRY);
  const userspace = events.filter(({ event, tid = -1 }) => event === EV_USERSPACE_EXIT && tid >= 0);
  const errnos = userspace.map(({ arg0 = 0 }) => Number(arg0));
  return {
    entries: entries.length,
    entryWithoutExit:
      entries.length - exits.filter(({ fate }) => fate === 'paired' || fate === 'lost').length,
    userspaceExits: userspace.length,
    userspaceRestarts: errnos.filter((errno) => errno === -4).length,
    userspaceErrors: errnos.filter((errno) => errno < 0 && errno !== -4).length,
    runExits: events.filter(({ event, tid = -1 }) => event === EV_RUN_EXIT && tid >= 0).length,
    withoutThread: events.filter(
      ({ event, tid = -1 }) => tid < 0 && (event === EV_EXIT || event === EV_ENTRY),
    ).length,
  };
}
