/**
 * ISA codes of the `isa` column. 1 and 2 are the kernel's own (KVM_ISA_VMX, KVM_ISA_SVM in
 * arch/x86/kvm/trace.h), the rest are ours. A number that no table knows (an out-of-tree x86 KVM) is kept as
 * ISA_FOREIGN | number. Plain constants only: src/kernels/ compiles this file to WebAssembly as well.
 */
export const ISA_UNKNOWN = 0;
export const ISA_VMX = 1;
export const ISA_SVM = 2;
export const ISA_ARM64 = 3;
export const ISA_RISCV = 4;
export const ISA_S390 = 5;
export const ISA_LOONGARCH = 6;
export const ISA_PPC = 7;
export const ISA_MIPS = 8;
export const ISA_ARM = 9;
export const ISA_FOREIGN = 0x80;
/**
 * Exit known only by a printed name that no table has (text formats): `code` is the name's code in the capture's
 * string table, and so is the event's `text`; such exits are never merged with others.
 */
export const ISA_NAMED = 0xff;
