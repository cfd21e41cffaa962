/**
 * What pairing makes of events and every analysis consumes: one row per VM exit whose fate is decided.
 * Struct of arrays like EventBatch; 64-bit values as [low, high] word pairs, durations as exact doubles (ns).
 */

import { type Arena, allocate } from '../core/arena.ts';
import {
  EXIT_ROWS,
  X_BYTES,
  X_CODE,
  X_DETAIL_ADDRESS,
  X_DETAIL_CODE,
  X_DETAIL_EVENT,
  X_ENTRY_CPU,
  X_ENTRY_TIME,
  X_EXIT_CPU,
  X_EXIT_TIME,
  X_HAS_RIP,
  X_INTR_INFO,
  X_ISA,
  X_KERNEL_NS,
  X_LATENCY,
  X_LEVEL,
  X_PID,
  X_RESTARTS,
  X_RIP,
  X_STATE,
  X_THREAD,
  X_TID,
  X_USERSPACE_CODE,
  X_USERSPACE_ERRORS,
  X_USERSPACE_EXITS,
  X_USERSPACE_NS,
  X_VCPU,
  X_VECTOR,
} from './exit-columns.ts';

export * from './exit-columns.ts';

export const LEVEL_NAMES = ['L1', 'L2', 'L2-reflected'] as const;

export interface ExitBatch {
  length: number;
  readonly capacity: number;
  readonly exitTime: Uint32Array;
  /** Time of the entry; meaningless unless PAIRED or INVALIDATED_BY_LOSS. */
  readonly entryTime: Uint32Array;
  /** Entry − exit in ns; 0 unless PAIRED. */
  readonly latency: Float64Array;
  /** PAIRED … INVALIDATED_BY_LOSS. */
  readonly state: Uint8Array;
  readonly tid: Int32Array;
  /** Dense number of the thread (pairing's slot), for arrays indexed by thread. */
  readonly thread: Int32Array;
  /** tgid or −1. */
  readonly pid: Int32Array;
  /** vCPU number or −1. */
  readonly vcpu: Int32Array;
  readonly exitCpu: Uint16Array;
  readonly entryCpu: Uint16Array;
  readonly isa: Uint8Array;
  /** Exit reason as recorded (see isa-codes.ts for arm64). */
  readonly code: Uint32Array;
  readonly level: Uint8Array;
  /** Guest RIP/PC as word pairs; valid if hasRip. */
  readonly rip: Uint32Array;
  readonly hasRip: Uint8Array;
  /** Userspace exits without error between exit and entry. */
  readonly userspaceExits: Uint16Array;
  /** KVM_EXIT_* of the first of them; meaningless if userspaceExits is 0. */
  readonly userspaceCode: Uint32Array;
  /** Userspace exits that failed with −EINTR (signals, kicks). */
  readonly restarts: Uint16Array;
  /** Userspace exits that failed with another errno. */
  readonly userspaceErrors: Uint16Array;
  /** Exit → first userspace exit without error, ns; valid if userspaceExits > 0. */
  readonly kernelNs: Float64Array;
  /** First userspace exit without error → entry, ns; valid if userspaceExits > 0 and PAIRED. */
  readonly userspaceNs: Float64Array;
  /** Detail event between exit and entry (EV_PIO, EV_MMIO, EV_MSR …; roles.ts says which goes first), 0 if none was recorded. */
  readonly detailEvent: Uint16Array;
  /** Its `code` column (direction of pio, mmio, msr, cr) and address (port, GPA, MSR number …) as word pairs. */
  readonly detailCode: Uint32Array;
  readonly detailAddress: Uint32Array;
  /** Interrupt vector that was injected into the guest before its entry, −1 if none was (recorded). */
  readonly vector: Int32Array;
  /** Interrupt information of the exit as recorded (VMX intr_info, SVM exit_int_info), 0 where it was not. */
  readonly intrInfo: Uint32Array;
}

export function createExitBatch(capacity: number = EXIT_ROWS): ExitBatch {
  return {
    length: 0,
    capacity,
    exitTime: new Uint32Array(2 * capacity),
    entryTime: new Uint32Array(2 * capacity),
    latency: new Float64Array(capacity),
    state: new Uint8Array(capacity),
    tid: new Int32Array(capacity),
    thread: new Int32Array(capacity),
    pid: new Int32Array(capacity),
    vcpu: new Int32Array(capacity),
    exitCpu: new Uint16Array(capacity),
    entryCpu: new Uint16Array(capacity),
    isa: new Uint8Array(capacity),
    code: new Uint32Array(capacity),
    level: new Uint8Array(capacity),
    rip: new Uint32Array(2 * capacity),
    hasRip: new Uint8Array(capacity),
    userspaceExits: new Uint16Array(capacity),
    userspaceCode: new Uint32Array(capacity),
    restarts: new Uint16Array(capacity),
    userspaceErrors: new Uint16Array(capacity),
    kernelNs: new Float64Array(capacity),
    userspaceNs: new Float64Array(capacity),
    detailEvent: new Uint16Array(capacity),
    detailCode: new Uint32Array(capacity),
    detailAddress: new Uint32Array(2 * capacity),
    vector: new Int32Array(capacity),
    intrInfo: new Uint32Array(capacity),
  };
}

/** Type, elements per row and place of each. */
const COLUMNS = {
  exitTime: [Uint32Array, 2, X_EXIT_TIME],
  entryTime: [Uint32Array, 2, X_ENTRY_TIME],
  latency: [Float64Array, 1, X_LATENCY],
  state: [Uint8Array, 1, X_STATE],
  tid: [Int32Array, 1, X_TID],
  thread: [Int32Array, 1, X_THREAD],
  pid: [Int32Array, 1, X_PID],
  vcpu: [Int32Array, 1, X_VCPU],
  exitCpu: [Uint16Array, 1, X_EXIT_CPU],
  entryCpu: [Uint16Array, 1, X_ENTRY_CPU],
  isa: [Uint8Array, 1, X_ISA],
  code: [Uint32Array, 1, X_CODE],
  level: [Uint8Array, 1, X_LEVEL],
  rip: [Uint32Array, 2, X_RIP],
  hasRip: [Uint8Array, 1, X_HAS_RIP],
  userspaceExits: [Uint16Array, 1, X_USERSPACE_EXITS],
  userspaceCode: [Uint32Array, 1, X_USERSPACE_CODE],
  restarts: [Uint16Array, 1, X_RESTARTS],
  userspaceErrors: [Uint16Array, 1, X_USERSPACE_ERRORS],
  kernelNs: [Float64Array, 1, X_KERNEL_NS],
  userspaceNs: [Float64Array, 1, X_USERSPACE_NS],
  detailEvent: [Uint16Array, 1, X_DETAIL_EVENT],
  detailCode: [Uint32Array, 1, X_DETAIL_CODE],
  detailAddress: [Uint32Array, 2, X_DETAIL_ADDRESS],
  vector: [Int32Array, 1, X_VECTOR],
  intrInfo: [Uint32Array, 1, X_INTR_INFO],
} as const;

/** A batch that kernels can work on. */
export interface ArenaExits extends ExitBatch {
  readonly arena: Arena;
  /** Its address there. */
  readonly address: number;
}

export function createArenaExits(arena: Arena): ArenaExits {
  const address = allocate(arena, X_BYTES);
  const column = ([type, each, offset]: (typeof COLUMNS)[keyof typeof COLUMNS]) =>
    new (type as Uint8ArrayConstructor)(arena.memory.buffer, address + offset, each * EXIT_ROWS);
  const columns = Object.fromEntries(Object.entries(COLUMNS).map(([name, spec]) => [name, column(spec)]));
  return { ...(columns as unknown as ExitBatch), length: 0, capacity: EXIT_ROWS, arena, address };
}

/** Copies row `from` of `source` over row `to` of `target`. */
export function copyExit(source: ExitBatch, from: number, target: ExitBatch, to: number): void {
  const f = 2 * from;
  const t = 2 * to;
  target.exitTime[t] = source.exitTime[f];
  target.exitTime[t + 1] = source.exitTime[f + 1];
  target.entryTime[t] = source.entryTime[f];
  target.entryTime[t + 1] = source.entryTime[f + 1];
  target.latency[to] = source.latency[from];
  target.state[to] = source.state[from];
  target.tid[to] = source.tid[from];
  target.thread[to] = source.thread[from];
  target.pid[to] = source.pid[from];
  target.vcpu[to] = source.vcpu[from];
  target.exitCpu[to] = source.exitCpu[from];
  target.entryCpu[to] = source.entryCpu[from];
  target.isa[to] = source.isa[from];
  target.code[to] = source.code[from];
  target.level[to] = source.level[from];
  target.rip[t] = source.rip[f];
  target.rip[t + 1] = source.rip[f + 1];
  target.hasRip[to] = source.hasRip[from];
  target.userspaceExits[to] = source.userspaceExits[from];
  target.userspaceCode[to] = source.userspaceCode[from];
  target.restarts[to] = source.restarts[from];
  target.userspaceErrors[to] = source.userspaceErrors[from];
  target.kernelNs[to] = source.kernelNs[from];
  target.userspaceNs[to] = source.userspaceNs[from];
  target.detailEvent[to] = source.detailEvent[from];
  target.detailCode[to] = source.detailCode[from];
  target.detailAddress[t] = source.detailAddress[f];
  target.detailAddress[t + 1] = source.detailAddress[f + 1];
  target.vector[to] = source.vector[from];
  target.intrInfo[to] = source.intrInfo[from];
}
