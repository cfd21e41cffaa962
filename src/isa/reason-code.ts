/** Arithmetic of reason numbers: from what a record holds to the `code` column, and from there to JSON. */
import { ARM64_NOT_TRAP, ARM64_RET_TRAP, ISA_ARM64, ISA_RISCV, ISA_SVM, ISA_VMX } from '../core/isa-codes.ts';

/**
 * arm64 `code` of a record's `ret` and `esr_ec` (docs of the column: src/core/isa-codes.ts). Bit 31 of ret only
 * adds "an SError is pending" (ARM_EXIT_WITH_SERROR_BIT in kvm_asm.h): it is not part of the exception type.
 */
export function armReasonCode(ret: number, ec: number): number {
  const type = ret & 0x7fffffff;
  return type === ARM64_RET_TRAP ? ec & 0x3fffffff : ARM64_NOT_TRAP | type;
}

/**
 * 32-bit code of a number of up to 64 bits, null if it does not fit. Wider ones that do: −1 of kernels with a
 * 64-bit SVM exit code, and RISC-V's scause, whose top bit (interrupt) becomes bit 31.
 */
export function codeFromWide(value: bigint, isa: number): number | null {
  if (value <= 0xffffffffn) return Number(value);
  if (isa === ISA_SVM && value === 0xffffffffffffffffn) return 0xffffffff;
  const cause = value - 0x8000000000000000n;
  if (isa === ISA_RISCV && cause >= 0n && cause < 0x80000000n) return 0x80000000 + Number(cause);
  return null;
}

/** Number for JSON: as recorded, unsigned; null for arm64 exits that are no TRAP (they have no class). */
export function publicCode(isa: number, code: number): number | null {
  const unsigned = code >>> 0;
  return isa === ISA_ARM64 && unsigned & ARM64_NOT_TRAP ? null : unsigned;
}

/** The reason without VMX's flag bits (FAILED_VMENTRY, enclave, bus lock …); other ISAs have none. */
export function basicReason(isa: number, code: number): number {
  return isa === ISA_VMX ? code & 0xffff : code >>> 0;
}
