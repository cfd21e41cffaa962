/** Passes over events that have something to do in few of them: rows are passed over by the kind of their event. */
import {
  ANY_THREAD,
  EV_KINDS,
  EV_SLOT_MASK,
  EV_SLOT_TABLE,
  EV_SLOT_TIDS,
  EV_THREADS,
  K_COMMON,
  K_NONE,
  K_TELLS,
  NE_EXITS,
  NE_PIDS,
  NE_VCPUS,
  QC_TIDS,
  QC_VCPUS,
} from '../analysis/events-view-layout.ts';
import { EVENT_EVENT, EVENT_PID, EVENT_TID, EVENT_VCPU } from '../core/event-columns.ts';
import { findThread } from './slots.ts';
import { addOne } from './sums.ts';

/** The first of rows [from, length) whose event is of any kind; `length` if there is none. */
export function findKind(view: usize, batch: usize, from: i32, length: i32): i32 {
  const kinds = load<usize>(view, EV_KINDS);
  const events = load<usize>(batch, EVENT_EVENT);
  let row = from;
  while (row < length && load<u8>(kinds + <usize>load<u16>(events + ((<usize>row) << 1))) === K_NONE) row++;
  return row;
}

/** Counts exits of threads (analysis/nested.ts); stops at rarer kinds and at new threads. */
export function countThreadExits(view: usize, batch: usize, from: i32, length: i32): i32 {
  const kinds = load<usize>(view, EV_KINDS);
  const table = load<usize>(view, EV_SLOT_TABLE);
  const mask = load<u32>(view, EV_SLOT_MASK);
  const slotTids = load<usize>(view, EV_SLOT_TIDS);
  const threads = load<i32>(view, EV_THREADS);
  const exits = load<usize>(view, NE_EXITS);
  const ownPids = load<usize>(view, NE_PIDS);
  const ownVcpus = load<usize>(view, NE_VCPUS);
  const events = load<usize>(batch, EVENT_EVENT);
  const tids = load<usize>(batch, EVENT_TID);
  const pids = load<usize>(batch, EVENT_PID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    const kind = load<u8>(kinds + <usize>load<u16>(events + (at << 1)));
    if (kind === K_NONE) continue;
    if (kind !== K_COMMON && kind !== K_TELLS) break;
    const tid = load<i32>(tids + (at << 2));
    if (tid < 0) continue;
    const slot = findThread(table, mask, slotTids, tid);
    if (slot < 0 || slot >= threads) break;
    const own: usize = slot;
    if (kind === K_COMMON) addOne(exits + (own << 3));
    const pid = load<i32>(pids + (at << 2));
    if (pid >= 0) store<i32>(ownPids + (own << 2), pid);
    const vcpu = load<i32>(vcpus + (at << 2));
    if (vcpu >= 0) store<i32>(ownVcpus + (own << 2), vcpu);
  }
  return row;
}

/** Passes over events that tell nothing new of which thread is which vCPU (analysis/qemu-check.ts). */
export function findNews(view: usize, batch: usize, from: i32, length: i32): i32 {
  const kinds = load<usize>(view, EV_KINDS);
  const known = load<usize>(view, QC_TIDS);
  const numbers = load<i32>(view, QC_VCPUS);
  const events = load<usize>(batch, EVENT_EVENT);
  const tids = load<usize>(batch, EVENT_TID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    const kind = load<u8>(kinds + <usize>load<u16>(events + (at << 1)));
    if (kind === K_NONE) continue;
    if (kind !== K_COMMON) break;
    const vcpu = load<i32>(vcpus + (at << 2));
    const tid = load<i32>(tids + (at << 2));
    if (vcpu < 0 || tid < 0) continue;
    if (vcpu >= numbers) break;
    const thread = load<i32>(known + ((<usize>vcpu) << 2));
    if (thread !== tid && thread !== ANY_THREAD) break;
  }
  return row;
}
