/**
 * Exit reasons by number: names, JSON codes, idleness and the fixed index. A reason is (isa, code) as the columns
 * of an EventBatch hold them (src/core/isa-codes.ts). Names from printed text: reason-text.ts; names that users
 * type: reason-search.ts; both are re-exported here.
 */
import {
  ARM64_NOT_TRAP,
  ISA_ARM,
  ISA_ARM64,
  ISA_LOONGARCH,
  ISA_MIPS,
  ISA_S390,
  ISA_SVM,
  ISA_VMX,
} from '../core/isa-codes.ts';
import { lazy } from '../core/lazy.ts';
import { REASON_ORDER } from './reason-order.ts';
import type { NamedReason } from './reason-row.ts';
import { reasonRow, VMX_FAILED_VMENTRY } from './reason-tables.ts';

export { armReasonCode, basicReason, publicCode } from './reason-code.ts';
export type { NamedReason, Reason } from './reason-row.ts';
export { findReasons, reasonInputKey, suggestReasons } from './reason-search.ts';
export { parseArmReason, parseOldVmxName, parseReasonName } from './reason-text.ts';

/**
 * The kernel's own spelling. VMX: name of the low 16 bits, then flags as `__print_flags(…, " ", …)` in
 * arch/x86/kvm/trace.h does: `INVALID_STATE FAILED_VMENTRY`, `EPT_VIOLATION 0x8000000`. Unknown: `0x4d`.
 */
export function reasonName(isa: number, code: number): string {
  const unsigned = code >>> 0;
  if (isa === ISA_VMX && unsigned > 0xffff) return vmxNameWithFlags(unsigned);
  const row = reasonRow(isa, unsigned);
  if (row) return row.name;
  // The kernel prints an arm64 exception type that it has no name for as a plain number.
  if (isa === ISA_ARM64 && unsigned & ARM64_NOT_TRAP) return hex(unsigned - ARM64_NOT_TRAP);
  return hex(unsigned);
}

function vmxNameWithFlags(code: number): string {
  const others = (code & 0x7fff0000) >>> 0;
  let name = reasonRow(ISA_VMX, code & 0xffff)?.name ?? hex(code & 0xffff);
  if (code >= VMX_FAILED_VMENTRY) name += ' FAILED_VMENTRY';
  if (others) name += ` ${hex(others)}`;
  return name;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/**
 * True where the time to the next entry is mostly the guest's own idling: the vCPU said that it has nothing to do
 * and KVM blocks (or polls) until an interrupt. MWAIT says the same, though KVM takes it for a NOP. Not idle: PAUSE
 * (spinning on a lock is work), UMWAIT and TPAUSE (short, bounded waits that KVM never blocks in), MONITOR (only arms).
 * RISC-V's WFI and PowerPC's H_CEDE are idling, but have no code of their own: virtual instruction and SYSCALL are busy
 * exits too.
 */
export function isIdle(isa: number, code: number): boolean {
  switch (isa) {
    case ISA_VMX: {
      const basic = code & 0xffff;
      // A failed entry never ran the guest.
      if (code >>> 0 >= VMX_FAILED_VMENTRY) return false;
      return basic === 12 /* HLT */ || basic === 36; /* MWAIT: the same from an idle loop without HLT */
    }
    case ISA_SVM:
      switch (code >>> 0) {
        case 0x78: // hlt
        case 0x8b: // mwait
        case 0x8c: // MWAIT with the monitor armed: the same instruction under its other intercept
        case 0xa6: // idle-halt: HLT with no virtual interrupt pending
        case 0x80000004: // vmgexit_ap_hlt_loop: an SEV-ES AP parked until it is started
          return true;
        default:
          return false;
      }
    case ISA_ARM64:
    case ISA_ARM:
      return code >>> 0 === 1; // WFI blocks; a trapped WFE shares the class and only yields, but waits as well
    case ISA_S390:
      return code >>> 0 === 0x1c; // Wait state: the PSW's wait bit is set
    case ISA_LOONGARCH:
      return code >>> 0 === 64; // IDLE instruction
    case ISA_MIPS:
      return code >>> 0 === 32; // WAIT instruction
    default:
      return false;
  }
}

const ordered = lazy((): readonly NamedReason[] =>
  REASON_ORDER.flatMap(([isa, codes]) => codes.map((code) => ({ isa, code, name: reasonName(isa, code) }))),
);

/** Every known reason in a fixed, append-only order. */
export function allReasons(): readonly NamedReason[] {
  return ordered();
}

/** Codes below this are looked up in one flat array; the largest small code is PowerPC's 0xf40. */
const DENSE_CODES = 4096;
const DENSE_ISAS = 16;

const indexes = lazy(() => {
  const dense = new Int16Array(DENSE_ISAS * DENSE_CODES).fill(-1);
  ordered().forEach(({ isa, code }, index) => {
    if (code < DENSE_CODES) dense[isa * DENSE_CODES + code] = index;
  });
  const large = ordered()
    .map((reason, index) => ({ ...reason, index }))
    .filter(({ code }) => code >= DENSE_CODES)
    .sort((a, b) => a.code - b.code);
  return {
    dense,
    largeCodes: Uint32Array.from(large, ({ code }) => code),
    largeIsas: Uint8Array.from(large, ({ isa }) => isa),
    largeIndexes: Int16Array.from(large, ({ index }) => index),
  };
});

/** Index into allReasons(), −1 for a reason that no table knows. Called per event: allocates nothing. */
export function reasonIndex(isa: number, code: number): number {
  const unsigned = code >>> 0;
  const { dense, largeCodes, largeIsas, largeIndexes } = indexes();
  if (unsigned < DENSE_CODES) return isa < DENSE_ISAS ? dense[isa * DENSE_CODES + unsigned] : -1;
  // A few dozen entries: the first with this code, then its neighbours of other ISAs.
  let low = 0;
  let high = largeCodes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (largeCodes[middle] < unsigned) low = middle + 1;
    else high = middle;
  }
  for (; low < largeCodes.length && largeCodes[low] === unsigned; low++) {
    if (largeIsas[low] === isa) return largeIndexes[low];
  }
  return -1;
}
