/** Names of ISA codes (isa-numbers.ts), and what else the code of an exit's reason can be. */
import {
  ISA_ARM,
  ISA_ARM64,
  ISA_FOREIGN,
  ISA_LOONGARCH,
  ISA_MIPS,
  ISA_NAMED,
  ISA_PPC,
  ISA_RISCV,
  ISA_S390,
  ISA_SVM,
  ISA_UNKNOWN,
  ISA_VMX,
} from './isa-numbers.ts';

export * from './isa-numbers.ts';

export const ISA_NAMES: Readonly<Record<number, string>> = {
  [ISA_UNKNOWN]: 'unknown',
  [ISA_VMX]: 'vmx',
  [ISA_SVM]: 'svm',
  [ISA_ARM64]: 'arm64',
  [ISA_RISCV]: 'riscv',
  [ISA_S390]: 's390',
  [ISA_LOONGARCH]: 'loongarch',
  [ISA_PPC]: 'ppc',
  [ISA_MIPS]: 'mips',
  [ISA_ARM]: 'arm',
  [ISA_NAMED]: 'named',
};

export function isaName(isa: number): string {
  return ISA_NAMES[isa] ?? (isa & ISA_FOREIGN ? `isa${isa & 0x7f}` : 'unknown');
}

/** ISA code of a name as isaName() gives it; ISA_UNKNOWN for anything else. */
export function isaFromName(name: string): number {
  for (const [code, known] of Object.entries(ISA_NAMES)) if (known === name) return Number(code);
  const foreign = /^isa(\d{1,3})$/.exec(name);
  return foreign && Number(foreign[1]) < 0x80 ? ISA_FOREIGN | Number(foreign[1]) : ISA_UNKNOWN;
}

/**
 * arm64 `code` column: the exception class (ESR_EL2.EC) for TRAP exits; any other exception type (`ret`
 * 0 IRQ, 1 SERROR, 3 ILLEGAL, 0xbadca11 HYP_GONE) is ARM64_NOT_TRAP | ret, because such exits have no class
 * (the kernel leaves esr_ec 0, which would read as UNKNOWN).
 */
export const ARM64_NOT_TRAP = 0x40000000;
export const ARM64_RET_TRAP = 2;

/** ISAs whose exits do not say which they are, by machine name. arm64 and riscv exits are told by their fields. */
const MACHINE_ISAS: readonly (readonly [RegExp, number])[] = [
  [/^s390/, ISA_S390],
  [/^loongarch/, ISA_LOONGARCH],
  [/^ppc|^powerpc/, ISA_PPC],
  [/^mips/, ISA_MIPS],
];

/** ISA of a machine name (uname -m) that leaves no choice; ISA_UNKNOWN for x86, whose vendor decides. */
export function isaOfMachine(machine: string): number {
  return MACHINE_ISAS.find(([pattern]) => pattern.test(machine))?.[1] ?? ISA_UNKNOWN;
}
