/** The hot loop of pairing: exits whose entry follows in the same batch and on the same CPU, while nothing was lost. */
import type { EventBatch } from '../core/event-batch.ts';
import { TWO_32 } from '../core/words.ts';
import { takeBetween } from './pairing-rules.ts';
import {
  duration,
  IS_OPEN,
  KNOWN_PID,
  KNOWN_VCPU,
  MAX_LATENCY,
  type Pairing,
  STRIDE,
  USERSPACE,
  USERSPACE_HIGH,
  USERSPACE_LOW,
  writeBetween,
} from './pairing-state.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_NONE } from './roles.ts';

/** No tid is that small: the first row looks its slot up. */
const NO_TID = -0x80000000;

/**
 * Takes rows from `from` on and stops at the first that needs more than matching; returns that row (the batch's
 * length at its end). An exit is only remembered by its row, and a match gets what the matching itself knows;
 * fillMatches() adds the rest. What is rare is left to the caller: a call that has not happened when this is
 * compiled would throw the compiled code away when it does.
 */
export function matchRows(pairing: Pairing, batch: EventBatch, from: number): number {
  const { cpu: cpus, event: events, tid: tids, time, vcpu: vcpus, pid: pids, length } = batch;
  const { deferredHead, lastTime, slots, slotsKnown, out, open, exitRow, matches } = pairing;
  const { table, tids: slotTids } = slots;
  const { exits, rows } = matches;
  const { capacity, exitTime, entryTime, latency: latencies, thread, pid: outPids, vcpu: outVcpus } = out;
  const mask = table.length - 1;
  let { count } = matches;
  let to = out.length;
  let lastTid = NO_TID;
  let slot = 0;
  let row = from;
  for (; row < length && to < capacity; row++) {
    const role = EVENT_ROLES[events[row]];
    const cpu = cpus[row];
    if (role === ROLE_LOST || deferredHead[cpu] >= 0) break;
    const low = time[2 * row];
    const high = time[2 * row + 1];
    lastTime[2 * cpu] = low;
    lastTime[2 * cpu + 1] = high;
    if (role === ROLE_NONE) continue;
    const tid = tids[row];
    if (tid !== lastTid) {
      // slotOf() for the case that the first place looked at is the right one.
      slot = table[(Math.imul(tid, 0x9e3779b1) >>> 7) & mask] - 1;
      if (slot < 0 || slotTids[slot] !== tid || tid < 0 || slot >= slotsKnown) break;
      lastTid = tid;
    }
    const exit = exitRow[slot];
    const at = slot * STRIDE;
    if (role === ROLE_EXIT) {
      if (exit >= 0 || open[at + IS_OPEN] === 1) break;
      exitRow[slot] = row;
    } else if (role !== ROLE_ENTRY) takeBetween(pairing, batch, row, slot, role);
    else {
      if (exit < 0 || cpus[exit] !== cpu) break;
      const exitLow = time[2 * exit];
      const exitHigh = time[2 * exit + 1];
      const latency = ((high - exitHigh) | 0) * TWO_32 + (low - exitLow);
      const exitPid = pids[exit];
      const exitVcpu = vcpus[exit];
      if (latency < 0 || latency > MAX_LATENCY) break;
      exitRow[slot] = -1;
      const vcpu = vcpus[row];
      const pid = pids[row];
      if (vcpu >= 0) open[at + KNOWN_VCPU] = vcpu;
      else if (exitVcpu >= 0) open[at + KNOWN_VCPU] = exitVcpu;
      if (pid >= 0) open[at + KNOWN_PID] = pid;
      else if (exitPid >= 0) open[at + KNOWN_PID] = exitPid;
      exits[count] = exit;
      rows[count++] = to;
      exitTime[2 * to] = exitLow;
      exitTime[2 * to + 1] = exitHigh;
      entryTime[2 * to] = low;
      entryTime[2 * to + 1] = high;
      latencies[to] = latency;
      thread[to] = slot;
      outPids[to] = open[at + KNOWN_PID];
      outVcpus[to] = exitVcpu >= 0 ? exitVcpu : open[at + KNOWN_VCPU];
      if (open[at + IS_OPEN] === 1) {
        open[at + IS_OPEN] = 0;
        writeBetween(pairing, at, to, exitLow, exitHigh);
        if (open[at + USERSPACE] > 0)
          out.userspaceNs[to] = duration(low, high, open[at + USERSPACE_LOW], open[at + USERSPACE_HIGH]);
      }
      to++;
    }
  }
  pairing.counts.entries += count - matches.count;
  matches.count = count;
  out.length = to;
  return row;
}
