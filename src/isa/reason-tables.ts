/** All reason tables by ISA, and the reasons in their fixed order. */
import {
  ISA_ARM64,
  ISA_LOONGARCH,
  ISA_MIPS,
  ISA_PPC,
  ISA_RISCV,
  ISA_S390,
  ISA_SVM,
  ISA_VMX,
} from '../core/isa-codes.ts';
import { lazy } from '../core/lazy.ts';
import { ARM64_ROWS } from './arm64.generated.ts';
import { LOONGARCH_ROWS } from './loongarch.generated.ts';
import { MIPS_ROWS } from './mips.ts';
import { PPC_ROWS } from './ppc.ts';
import type { ReasonRow } from './reason-row.ts';
import { RISCV_ROWS } from './riscv.generated.ts';
import { S390_ROWS } from './s390.generated.ts';
import { SVM_ROWS } from './svm.generated.ts';
import { VMX_ROWS } from './vmx.generated.ts';

/** Bit 31 of a VMX reason: the VM entry itself failed (Intel SDM, "Exit Reason"). */
export const VMX_FAILED_VMENTRY = 0x80000000;

/** The basic reasons that the Intel SDM allows together with bit 31. */
export const VMX_ENTRY_FAILURES: readonly number[] = [33, 34, 41];

/** Of Linux 7.2's arch/x86/include/uapi/asm/svm.h, which has no print for them. */
const SVM_LATER_ROWS: readonly ReasonRow[] = [
  { code: 0x80000018, name: 'VMGEXIT_SNP_RUN_VMPL', aliases: ['SVM_VMGEXIT_SNP_RUN_VMPL'] },
  { code: 0x8000001a, name: 'VMGEXIT_SAVIC', aliases: ['SVM_VMGEXIT_SAVIC'] },
];

const vmxEntryFailureRows: ReasonRow[] = VMX_ENTRY_FAILURES.map((basic) => ({
  code: VMX_FAILED_VMENTRY + basic,
  name: `${VMX_ROWS.find((row) => row.code === basic)?.name} FAILED_VMENTRY`,
  aliases: ['FAILED_VMENTRY'],
}));

export const REASON_TABLES: ReadonlyMap<number, readonly ReasonRow[]> = new Map([
  [ISA_VMX, [...VMX_ROWS, ...vmxEntryFailureRows]],
  [ISA_SVM, [...SVM_ROWS, ...SVM_LATER_ROWS]],
  [ISA_ARM64, ARM64_ROWS],
  [ISA_RISCV, RISCV_ROWS],
  [ISA_S390, S390_ROWS],
  [ISA_LOONGARCH, LOONGARCH_ROWS],
  [ISA_PPC, PPC_ROWS],
  [ISA_MIPS, MIPS_ROWS],
]);

const rowsByCode: ReadonlyMap<number, () => ReadonlyMap<number, ReasonRow>> = new Map(
  [...REASON_TABLES].map(([isa, rows]) => [isa, lazy(() => new Map(rows.map((row) => [row.code, row])))]),
);

/** The table's row of a code, VMX flags included; undefined where no table knows it. */
export function reasonRow(isa: number, code: number): ReasonRow | undefined {
  return rowsByCode.get(isa)?.().get(code);
}
