/** Which exits and entries pass a report's filters: analysis/selection.ts says it in TypeScript, and a test compares the two. */
import {
  X_CODE,
  X_EXIT_CPU,
  X_EXIT_TIME,
  X_ISA,
  X_LEVEL,
  X_PID,
  X_TID,
  X_VCPU,
} from '../analysis/exit-columns.ts';
import {
  REASON_BYTES,
  REASON_FACTOR,
  REASON_SHIFT,
  S_CPU_LIMIT,
  S_CPUS,
  S_EXCLUDE_MASK,
  S_EXCLUDES,
  S_FROM,
  S_HAS_FROM,
  S_HAS_TO,
  S_LEVELS,
  S_PID_LIMIT,
  S_PIDS,
  S_REASON_MASK,
  S_REASONS,
  S_TID_LIMIT,
  S_TIDS,
  S_TO,
  S_VCPU_LIMIT,
  S_VCPUS,
} from '../analysis/selection-layout.ts';
import { ISA_VMX } from '../core/isa-numbers.ts';

/** 1 if the number is in the set; −1, which stands for unknown, is larger than any limit. No branch: data decides. */
function isIn(set: usize, limit: u32, value: u32): u32 {
  const bit = min<u32>(value, limit);
  return (<u32>load<u8>(set + <usize>(bit >>> 3)) >>> (bit & 7)) & 1;
}

function hasReason(table: usize, mask: u32, isa: u32, code: u32): u32 {
  let at = ((code ^ (isa << 4)) * REASON_FACTOR) >>> REASON_SHIFT;
  while (true) {
    at &= mask;
    const place = table + <usize>at * REASON_BYTES;
    const owner = load<u32>(place, 4);
    if (owner === 0) return 0;
    if (owner === isa + 1 && load<u32>(place) === code) return 1;
    at++;
  }
}

function passesTime(selection: usize, time: i64): u32 {
  return (
    (<u32>(load<u32>(selection, S_HAS_FROM) === 0) | <u32>(time >= load<i64>(selection, S_FROM))) &
    (<u32>(load<u32>(selection, S_HAS_TO) === 0) | <u32>(time < load<i64>(selection, S_TO)))
  );
}

/** Writes to `selected`, a byte per row, whether the row passes every filter. */
export function selectExits(selection: usize, batch: usize, selected: usize, length: i32): void {
  const pids = load<usize>(selection, S_PIDS);
  const pidLimit = load<u32>(selection, S_PID_LIMIT);
  const tids = load<usize>(selection, S_TIDS);
  const tidLimit = load<u32>(selection, S_TID_LIMIT);
  const vcpus = load<usize>(selection, S_VCPUS);
  const vcpuLimit = load<u32>(selection, S_VCPU_LIMIT);
  const cpus = load<usize>(selection, S_CPUS);
  const cpuLimit = load<u32>(selection, S_CPU_LIMIT);
  const reasons = load<usize>(selection, S_REASONS);
  const reasonMask = load<u32>(selection, S_REASON_MASK);
  const excludes = load<usize>(selection, S_EXCLUDES);
  const excludeMask = load<u32>(selection, S_EXCLUDE_MASK);
  const levels = load<u32>(selection, S_LEVELS);
  for (let row = 0; row < length; row++) {
    const at: usize = row;
    const row4 = batch + (at << 2);
    let passes: u32 =
      (levels >>> <u32>load<u8>(batch + at, X_LEVEL)) &
      passesTime(selection, load<i64>(batch + (at << 3), X_EXIT_TIME));
    if (pids !== 0) passes &= isIn(pids, pidLimit, load<u32>(row4, X_PID));
    if (tids !== 0) passes &= isIn(tids, tidLimit, load<u32>(row4, X_TID));
    if (vcpus !== 0) passes &= isIn(vcpus, vcpuLimit, load<u32>(row4, X_VCPU));
    if (cpus !== 0) passes &= isIn(cpus, cpuLimit, <u32>load<u16>(batch + (at << 1), X_EXIT_CPU));
    if ((reasons | excludes) !== 0) {
      const isa = <u32>load<u8>(batch + at, X_ISA);
      const recorded = load<u32>(row4, X_CODE);
      // VMX's flag bits are no part of the reason (basicReason() in isa/reason-code.ts).
      const code = isa === ISA_VMX ? recorded & 0xffff : recorded;
      if (reasons !== 0) passes &= hasReason(reasons, reasonMask, isa, code);
      if (excludes !== 0) passes &= hasReason(excludes, excludeMask, isa, code) ^ 1;
    }
    store<u8>(selected + at, <u8>passes);
  }
}

/** 1 if an entry passes the filters by thread, CPU and time. */
export function acceptsEntry(selection: usize, pid: u32, tid: u32, vcpu: u32, cpu: u32, time: i64): u32 {
  const pids = load<usize>(selection, S_PIDS);
  const tids = load<usize>(selection, S_TIDS);
  const vcpus = load<usize>(selection, S_VCPUS);
  const cpus = load<usize>(selection, S_CPUS);
  let passes = passesTime(selection, time);
  if (pids !== 0) passes &= isIn(pids, load<u32>(selection, S_PID_LIMIT), pid);
  if (tids !== 0) passes &= isIn(tids, load<u32>(selection, S_TID_LIMIT), tid);
  if (vcpus !== 0) passes &= isIn(vcpus, load<u32>(selection, S_VCPU_LIMIT), vcpu);
  if (cpus !== 0) passes &= isIn(cpus, load<u32>(selection, S_CPU_LIMIT), cpu);
  return passes;
}
