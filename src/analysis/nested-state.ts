/** What the pass `nested` keeps: each thread's open cycle, and what ended ones of each reason took. */
import type { Arena } from '../core/arena.ts';
import { float64s, int32s, widened } from '../core/columns.ts';
import {
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_NESTED_VMRUN,
} from '../core/events.ts';
import type { KernelView } from '../core/kernel-view.ts';
import { createEventView } from './event-kernels.ts';
import { K_COMMON, K_NONE, K_RARE, K_TELLS, NE_BYTES } from './events-view-layout.ts';
import { createLatencyLog, type LatencyLog } from './latency-log.ts';
import { createLevelTable, type LevelTable, plainLevels } from './nested-levels.ts';
import { EVERYTHING, type PassScope } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST } from './roles.ts';
import { createThreadSlots, plainSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

/** Values of the log that stay exact: counts are small. */
const EXACT_CYCLES = 1 << 20;
/** Distinct reasons of cycles; hostile input must not make more. */
export const MAX_REASONS = 4096;

/** First boundary of a thread in a part. */
export const NONE = 0;
export const ENTER = 1;
export const INJECT = 2;

export interface Thread {
  readonly tid: number;
  readonly slot: number;
  /** A cycle is open: its reason, start (word pair) and losses seen at its start. */
  open: boolean;
  reason: number;
  readonly start: Uint32Array;
  losses: number;
  /** First boundary of this part: kind, time, exits before it, whether events were lost before it. */
  head: number;
  readonly headTime: Uint32Array;
  headExits: number;
  headLost: boolean;
}

/** By slot: exits of the open cycle so far, or since the part began; process and vCPU as its events told them, else −1. */
export interface Columns {
  exits: Float64Array;
  pid: Int32Array;
  vcpu: Int32Array;
}

export interface Reason {
  readonly isa: number;
  readonly code: number;
  cycles: number;
  exits: number;
  readonly totalNs: Float64Array;
  maxExits: number;
  maxNs: number;
}

export interface Nested {
  readonly scope: PassScope;
  readonly levels: LevelTable;
  readonly slots: ThreadSlots;
  readonly threads: Thread[];
  readonly columns: Columns;
  readonly reasons: Reason[];
  readonly reasonIds: Map<number, number>;
  /** Exits per cycle, by reason. */
  readonly counts: LatencyLog;
  /** Of the events that tell nesting. */
  nestedExits: number;
  injected: number;
  entered: number;
  losses: number;
  lostCycles: number;
  /** Handed on to L1 again before L2 was entered. */
  brokenCycles: number;
  /** Clock ran backwards. */
  negative: number;
  /** Reasons beyond the limit. */
  ignored: number;
  /** null: events are looked at one by one. */
  readonly view: KernelView | null;
}

const KINDS: Uint8Array = (() => {
  const kinds = EVENT_ROLES.map((role) =>
    role === ROLE_EXIT ? K_COMMON : role === ROLE_LOST ? K_RARE : K_NONE,
  );
  for (const event of [EV_NESTED_VMEXIT, EV_NESTED_VMEXIT_INJECT, EV_NESTED_VMENTER, EV_NESTED_VMRUN])
    kinds[event] = K_RARE;
  return kinds;
})();
/** On older x86 only kvm_entry tells the vCPU, which filters may ask for. */
const KINDS_BY_VCPU: Uint8Array = KINDS.map((kind, event) =>
  EVENT_ROLES[event] === ROLE_ENTRY ? K_TELLS : kind,
);

export function createNested(
  _options: unknown,
  scope: PassScope = EVERYTHING,
  arena: Arena | null = null,
): Nested {
  return {
    scope,
    levels: createLevelTable(arena),
    slots: createThreadSlots(arena),
    threads: [],
    columns: { exits: float64s(arena, 64), pid: int32s(arena, 64), vcpu: int32s(arena, 64) },
    reasons: [],
    reasonIds: new Map(),
    counts: createLatencyLog(EXACT_CYCLES),
    nestedExits: 0,
    injected: 0,
    entered: 0,
    losses: 0,
    lostCycles: 0,
    brokenCycles: 0,
    negative: 0,
    ignored: 0,
    view:
      arena === null
        ? null
        : createEventView(arena, NE_BYTES, scope.selection?.vcpus ? KINDS_BY_VCPU : KINDS),
  };
}

export function threadAt(nested: Nested, tid: number): Thread {
  const slot = slotOf(nested.slots, tid);
  const known = nested.threads[slot];
  if (known) return known;
  reserve(nested, slot);
  const thread: Thread = {
    tid,
    slot,
    open: false,
    reason: -1,
    start: new Uint32Array(2),
    losses: 0,
    head: NONE,
    headTime: new Uint32Array(2),
    headExits: 0,
    headLost: false,
  };
  nested.threads[slot] = thread;
  return thread;
}

/** Makes room for a new thread, which has told nothing yet. */
function reserve({ columns, slots: { arena } }: Nested, slot: number): void {
  if (slot >= columns.exits.length) {
    columns.exits = widened(float64s, arena, 2 * slot, columns.exits);
    columns.pid = widened(int32s, arena, 2 * slot, columns.pid);
    columns.vcpu = widened(int32s, arena, 2 * slot, columns.vcpu);
  }
  columns.pid[slot] = -1;
  columns.vcpu[slot] = -1;
}

export function reasonId(nested: Nested, isa: number, code: number): number {
  const key = isa * 4294967296 + code;
  const known = nested.reasonIds.get(key);
  if (known !== undefined) return known;
  if (nested.reasons.length >= MAX_REASONS) return -1;
  nested.reasonIds.set(key, nested.reasons.length);
  return (
    nested.reasons.push({
      isa,
      code,
      cycles: 0,
      exits: 0,
      totalNs: new Float64Array(2),
      maxExits: 0,
      maxNs: 0,
    }) - 1
  );
}

/** The state as plain data, for another thread. */
export function plainNested(nested: Nested): Nested {
  const { levels, slots, columns } = nested;
  return {
    ...nested,
    levels: plainLevels(levels),
    slots: plainSlots(slots),
    columns: { exits: columns.exits.slice(), pid: columns.pid.slice(), vcpu: columns.vcpu.slice() },
    view: null,
  };
}
