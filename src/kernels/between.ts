/** What happens between an exit and its entry: escalation, level, detail, injection (analysis/pairing-rules.ts). */
import {
  LEVEL_L1,
  LEVEL_L2,
  LEVEL_L2_REFLECTED,
  X_DETAIL_ADDRESS,
  X_DETAIL_CODE,
  X_DETAIL_EVENT,
  X_KERNEL_NS,
  X_LEVEL,
  X_RESTARTS,
  X_USERSPACE_CODE,
  X_USERSPACE_ERRORS,
  X_USERSPACE_EXITS,
  X_USERSPACE_NS,
  X_VECTOR,
} from '../analysis/exit-columns.ts';
import {
  DETAIL,
  DETAIL_CODE,
  DETAIL_HIGH,
  DETAIL_LOW,
  ERRORS,
  IS_OPEN,
  KNOWN_VCPU,
  LEVEL,
  MAX_LATENCY,
  NONE,
  P_ERRORS,
  P_RESTARTS,
  P_ROLES,
  P_RUN_EXITS,
  P_SAW_DETAIL,
  P_SAW_USERSPACE,
  P_USERSPACE_EXITS,
  RESTARTS,
  USERSPACE,
  USERSPACE_CODE,
  USERSPACE_HIGH,
  USERSPACE_LOW,
  VECTOR,
} from '../analysis/pairing-layout.ts';
import {
  ROLE_DETAIL,
  ROLE_INJECT,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_RUN_EXIT,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
  ROLE_WEAK_DETAIL,
} from '../analysis/role-codes.ts';
import {
  EVENT_ADDRESS,
  EVENT_ARG0,
  EVENT_CODE,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_TIME,
  EVENT_VCPU,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
} from '../core/event-columns.ts';

/** −EINTR: KVM_RUN was interrupted by a signal ("restart (4)"). */
const MINUS_EINTR: i32 = -4;

function addOne(address: usize): void {
  store<u32>(address, load<u32>(address) + 1);
}

/** An event that is neither exit nor entry. `own`: the open exit of its thread; `isRow`: it is known by its row only. */
export function takeBetween(
  pairing: usize,
  batch: usize,
  row: usize,
  own: usize,
  role: i32,
  isRow: bool,
): void {
  if (isRow && load<u32>(own, IS_OPEN << 2) === 0) {
    store<u32>(own, 1, IS_OPEN << 2);
    store<u32>(own, LEVEL_L1, LEVEL << 2);
    store<u32>(own, 0, USERSPACE << 2);
    store<u32>(own, 0, RESTARTS << 2);
    store<u32>(own, 0, ERRORS << 2);
    store<u32>(own, 0, DETAIL << 2);
    store<u32>(own, NONE, VECTOR << 2);
  }
  if (role === ROLE_USERSPACE_EXIT) {
    store<u32>(pairing, 1, P_SAW_USERSPACE);
    userspaceExit(pairing, batch, row, own);
  } else if (role === ROLE_DETAIL || role === ROLE_WEAK_DETAIL) {
    store<u32>(pairing, 1, P_SAW_DETAIL);
    addDetail(load<usize>(pairing, P_ROLES), batch, row, own, role);
  } else if (role === ROLE_INJECT) {
    if (load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1)) & F_ADDRESS)
      store<u32>(own, load<u32>(load<usize>(batch, EVENT_ADDRESS) + (row << 3)), VECTOR << 2);
  } else if (role === ROLE_NESTED_EXIT) {
    if (load<u32>(own, LEVEL << 2) === LEVEL_L1) store<u32>(own, LEVEL_L2, LEVEL << 2);
  } else if (role === ROLE_NESTED_INJECT) {
    if (load<u32>(own, LEVEL << 2) === LEVEL_L2) store<u32>(own, LEVEL_L2_REFLECTED, LEVEL << 2);
  } else if (role === ROLE_VCPU) {
    if (load<u32>(own, KNOWN_VCPU << 2) === NONE)
      store<u32>(own, load<u32>(load<usize>(batch, EVENT_VCPU) + (row << 2)), KNOWN_VCPU << 2);
  } else if (role === ROLE_RUN_EXIT) {
    store<u32>(pairing, 1, P_SAW_USERSPACE);
    addOne(pairing + P_RUN_EXITS);
    if (load<u32>(own, IS_OPEN << 2) === 0 || load<u32>(own, USERSPACE << 2) > 0) return;
    store<u32>(own, 1, USERSPACE << 2);
    leaveKernel(batch, row, own);
  }
}

function userspaceExit(pairing: usize, batch: usize, row: usize, own: usize): void {
  const isOpen = load<u32>(own, IS_OPEN << 2) === 1;
  addOne(pairing + P_USERSPACE_EXITS);
  // errno is signed; where it is not recorded the exit counts as good (kernels from 3.6 to 7.2 record it).
  const errno =
    load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1)) & F_ARG0
      ? load<i32>(load<usize>(batch, EVENT_ARG0) + (row << 3))
      : 0;
  if (errno < 0) {
    const isRestart = errno === MINUS_EINTR;
    addOne(pairing + (isRestart ? P_RESTARTS : P_ERRORS));
    if (isOpen) addOne(own + ((isRestart ? RESTARTS : ERRORS) << 2));
    return;
  }
  if (!isOpen) return;
  addOne(own + (USERSPACE << 2));
  if (load<u32>(own, USERSPACE << 2) === 1) leaveKernel(batch, row, own);
}

function leaveKernel(batch: usize, row: usize, own: usize): void {
  store<u32>(own, load<u32>(load<usize>(batch, EVENT_CODE) + (row << 2)), USERSPACE_CODE << 2);
  const time = load<usize>(batch, EVENT_TIME) + (row << 3);
  store<u32>(own, load<u32>(time), USERSPACE_LOW << 2);
  store<u32>(own, load<u32>(time, 4), USERSPACE_HIGH << 2);
}

/** The first detail event of an exit stands for it, later ones are its consequences; only weak ones give way. */
function addDetail(roles: usize, batch: usize, row: usize, own: usize, role: i32): void {
  const known = load<u32>(own, DETAIL << 2);
  if (role === ROLE_WEAK_DETAIL && known !== 0) return;
  if (load<u32>(own, IS_OPEN << 2) === 0) return;
  if (known !== 0 && load<u8>(roles + <usize>known) === ROLE_DETAIL) return;
  const fields = <u32>load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1));
  if ((fields & F_ADDRESS) === 0) return;
  store<u32>(own, load<u16>(load<usize>(batch, EVENT_EVENT) + (row << 1)), DETAIL << 2);
  store<u32>(
    own,
    fields & F_CODE ? load<u32>(load<usize>(batch, EVENT_CODE) + (row << 2)) : 0,
    DETAIL_CODE << 2,
  );
  const address = load<usize>(batch, EVENT_ADDRESS) + (row << 3);
  store<u32>(own, load<u32>(address), DETAIL_LOW << 2);
  store<u32>(own, load<u32>(address, 4), DETAIL_HIGH << 2);
}

/** From one time to the other, within what sums can hold. */
function duration(time: i64, from: i64): f64 {
  const ns: i64 = time - from;
  if (ns < 0) return 0;
  return <f64>(ns < MAX_LATENCY ? ns : MAX_LATENCY);
}

/** Writes what lay between an exit and its entry, and closes it. Columns of what was never seen stay as they are. */
export function writeBetween(
  pairing: usize,
  own: usize,
  out: usize,
  to: usize,
  exitTime: i64,
  entryTime: i64,
): void {
  store<u32>(own, 0, IS_OPEN << 2);
  store<u8>(out + to, <u8>load<u32>(own, LEVEL << 2), X_LEVEL);
  store<u32>(out + (to << 2), load<u32>(own, VECTOR << 2), X_VECTOR);
  if (load<u32>(pairing, P_SAW_USERSPACE)) {
    const userspace = load<u32>(own, USERSPACE << 2);
    storeCount(out + X_USERSPACE_EXITS + (to << 1), userspace);
    storeCount(out + X_RESTARTS + (to << 1), load<u32>(own, RESTARTS << 2));
    storeCount(out + X_USERSPACE_ERRORS + (to << 1), load<u32>(own, ERRORS << 2));
    if (userspace > 0) {
      const left =
        <i64>load<u32>(own, USERSPACE_LOW << 2) | ((<i64>load<u32>(own, USERSPACE_HIGH << 2)) << 32);
      store<u32>(out + (to << 2), load<u32>(own, USERSPACE_CODE << 2), X_USERSPACE_CODE);
      store<f64>(out + (to << 3), duration(left, exitTime), X_KERNEL_NS);
      store<f64>(out + (to << 3), duration(entryTime, left), X_USERSPACE_NS);
    }
  }
  if (load<u32>(pairing, P_SAW_DETAIL)) {
    const detail = load<u32>(own, DETAIL << 2);
    store<u16>(out + (to << 1), <u16>detail, X_DETAIL_EVENT);
    if (detail !== 0) {
      store<u32>(out + (to << 2), load<u32>(own, DETAIL_CODE << 2), X_DETAIL_CODE);
      const address = out + X_DETAIL_ADDRESS + (to << 3);
      store<u32>(address, load<u32>(own, DETAIL_LOW << 2));
      store<u32>(address, load<u32>(own, DETAIL_HIGH << 2), 4);
    }
  }
}

function storeCount(address: usize, count: u32): void {
  store<u16>(address, <u16>(count < 0xffff ? count : 0xffff));
}
