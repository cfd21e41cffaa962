/** Names of registers, ports and vectors against the kernel's headers and what firmware sets up. */
import { describe, expect, it } from 'vitest';
import { ISA_SVM } from '../src/core/isa-codes.ts';
import { portName } from '../src/isa/port-names.ts';
import { findReasons, reasonName } from '../src/isa/reasons.ts';
import { sysregName } from '../src/isa/sysreg-names.ts';
import { vectorName } from '../src/isa/vector-names.ts';

const sysreg = (op0: number, op1: number, crn: number, crm: number, op2: number) =>
  sysregName((op0 << 16) | (op1 << 12) | (crn << 8) | (crm << 4) | op2);

describe('arm64 system registers', () => {
  it('are those of sys_reg() in the kernel', () => {
    expect(sysreg(2, 0, 0, 0, 2)).toBe('OSDTRRX_EL1');
    expect(sysreg(2, 0, 0, 2, 0)).toBe('MDCCINT_EL1');
    expect(sysreg(2, 0, 0, 2, 2)).toBe('MDSCR_EL1');
    expect(sysreg(3, 0, 12, 11, 5)).toBe('ICC_SGI1R_EL1');
  });
});

describe('x86 ports', () => {
  it('of ACPI tell no machine: SeaBIOS puts them at 0x600 on pc as well, OVMF at 0xb000', () => {
    expect(portName(0x608)).toBe('ACPI PM timer');
    expect(portName(0xb008)).toBe('ACPI PM timer');
  });

  it('of PCI hotplug are 24 on both machines', () => {
    expect([0xae17, 0xae18, 0xcc0, 0xcd7, 0xcd8].map(portName)).toEqual([
      'PCI hotplug (pc)',
      null,
      'PCI hotplug (q35)',
      'PCI hotplug (q35)',
      'CPU hotplug (q35)',
    ]);
  });
});

describe('vectors', () => {
  it('are those of 6.1 to 7.2', () => {
    expect([0xea, 0xeb, 0xec, 0xf5].map(vectorName)).toEqual([
      'device',
      'device or posted MSI notification',
      'local timer',
      'PMI of a guest',
    ]);
  });
});

describe('VMGEXIT requests', () => {
  it('have the names of the header where the kernel prints none', () => {
    expect(reasonName(ISA_SVM, 0x80000018)).toBe('VMGEXIT_SNP_RUN_VMPL');
    expect(findReasons('SVM_VMGEXIT_SAVIC')).toEqual([{ isa: ISA_SVM, code: 0x8000001a }]);
  });
});
