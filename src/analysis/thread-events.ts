/** Events per thread, for `info`: which threads took part in the recording. */
import type { EventBatch } from '../core/event-batch.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_USERSPACE_EXIT, ROLE_VCPU } from './roles.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

export interface ThreadEvents {
  readonly slots: ThreadSlots;
  events: Float64Array;
  exits: Float64Array;
  /** 1 where the thread had exits, entries or userspace exits: a vCPU. */
  isVcpu: Uint8Array;
  pid: Int32Array;
  vcpu: Int32Array;
  /** 1 per CPU that recorded an event. */
  readonly cpus: Uint8Array;
}

export function createThreadEvents(): ThreadEvents {
  return {
    slots: createThreadSlots(),
    events: new Float64Array(64),
    exits: new Float64Array(64),
    isVcpu: new Uint8Array(64),
    pid: new Int32Array(64).fill(-1),
    vcpu: new Int32Array(64).fill(-1),
    cpus: new Uint8Array(65536),
  };
}

export function addThreadEvents(threads: ThreadEvents, batch: EventBatch): void {
  for (let row = 0; row < batch.length; row++) {
    threads.cpus[batch.cpu[row]] = 1;
    const tid = batch.tid[row];
    if (tid < 0) continue;
    const slot = slotOf(threads.slots, tid);
    if (slot >= threads.events.length) grow(threads);
    threads.events[slot]++;
    if (batch.pid[row] >= 0) threads.pid[slot] = batch.pid[row];
    const role = EVENT_ROLES[batch.event[row]];
    if (role === ROLE_EXIT) threads.exits[slot]++;
    if (role === ROLE_EXIT || role === ROLE_ENTRY || role === ROLE_USERSPACE_EXIT) {
      threads.isVcpu[slot] = 1;
      if (batch.vcpu[row] >= 0) threads.vcpu[slot] = batch.vcpu[row];
    } else if (role === ROLE_VCPU && threads.vcpu[slot] < 0) threads.vcpu[slot] = batch.vcpu[row];
  }
}

function grow(threads: ThreadEvents): void {
  const size = 2 * threads.events.length;
  const events = new Float64Array(size);
  events.set(threads.events);
  const exits = new Float64Array(size);
  exits.set(threads.exits);
  const isVcpu = new Uint8Array(size);
  isVcpu.set(threads.isVcpu);
  const pid = new Int32Array(size).fill(-1);
  pid.set(threads.pid);
  const vcpu = new Int32Array(size).fill(-1);
  vcpu.set(threads.vcpu);
  Object.assign(threads, { events, exits, isVcpu, pid, vcpu });
}
