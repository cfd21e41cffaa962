/**
 * arm64 system registers by encoding, packed as Op0<<16 | Op1<<12 | CRn<<8 | CRm<<4 | Op2 (core/event-fields.ts).
 * Source: Linux arch/arm64/tools/sysreg and arch/arm64/include/asm/sysreg.h, as the Arm ARM (DDI 0487) has them: those
 * that KVM traps.
 */
const pack = (op0: number, op1: number, crn: number, crm: number, op2: number) =>
  (op0 << 16) | (op1 << 12) | (crn << 8) | (crm << 4) | op2;

const NAMES: ReadonlyMap<number, string> = new Map([
  [pack(2, 0, 0, 0, 2), 'OSDTRRX_EL1'],
  [pack(2, 0, 0, 2, 0), 'MDCCINT_EL1'],
  [pack(2, 0, 0, 2, 2), 'MDSCR_EL1'],
  [pack(2, 0, 1, 0, 4), 'OSLAR_EL1'],
  [pack(2, 0, 1, 1, 4), 'OSLSR_EL1'],
  [pack(2, 0, 1, 3, 4), 'OSDLR_EL1'],
  [pack(3, 0, 0, 0, 0), 'MIDR_EL1'],
  [pack(3, 0, 0, 0, 5), 'MPIDR_EL1'],
  [pack(3, 0, 0, 0, 6), 'REVIDR_EL1'],
  [pack(3, 0, 0, 1, 0), 'ID_PFR0_EL1'],
  [pack(3, 0, 0, 4, 0), 'ID_AA64PFR0_EL1'],
  [pack(3, 0, 0, 4, 1), 'ID_AA64PFR1_EL1'],
  [pack(3, 0, 0, 4, 4), 'ID_AA64ZFR0_EL1'],
  [pack(3, 0, 0, 4, 5), 'ID_AA64SMFR0_EL1'],
  [pack(3, 0, 0, 5, 0), 'ID_AA64DFR0_EL1'],
  [pack(3, 0, 0, 5, 1), 'ID_AA64DFR1_EL1'],
  [pack(3, 0, 0, 6, 0), 'ID_AA64ISAR0_EL1'],
  [pack(3, 0, 0, 6, 1), 'ID_AA64ISAR1_EL1'],
  [pack(3, 0, 0, 6, 2), 'ID_AA64ISAR2_EL1'],
  [pack(3, 0, 0, 7, 0), 'ID_AA64MMFR0_EL1'],
  [pack(3, 0, 0, 7, 1), 'ID_AA64MMFR1_EL1'],
  [pack(3, 0, 0, 7, 2), 'ID_AA64MMFR2_EL1'],
  [pack(3, 0, 1, 0, 0), 'SCTLR_EL1'],
  [pack(3, 0, 1, 0, 1), 'ACTLR_EL1'],
  [pack(3, 0, 1, 0, 2), 'CPACR_EL1'],
  [pack(3, 0, 2, 0, 0), 'TTBR0_EL1'],
  [pack(3, 0, 2, 0, 1), 'TTBR1_EL1'],
  [pack(3, 0, 2, 0, 2), 'TCR_EL1'],
  [pack(3, 0, 4, 6, 0), 'ICC_PMR_EL1'],
  [pack(3, 0, 5, 1, 0), 'AFSR0_EL1'],
  [pack(3, 0, 5, 1, 1), 'AFSR1_EL1'],
  [pack(3, 0, 5, 2, 0), 'ESR_EL1'],
  [pack(3, 0, 5, 3, 0), 'ERRIDR_EL1'],
  [pack(3, 0, 6, 0, 0), 'FAR_EL1'],
  [pack(3, 0, 9, 14, 1), 'PMINTENSET_EL1'],
  [pack(3, 0, 9, 14, 2), 'PMINTENCLR_EL1'],
  [pack(3, 0, 9, 14, 6), 'PMMIR_EL1'],
  [pack(3, 0, 10, 2, 0), 'MAIR_EL1'],
  [pack(3, 0, 10, 3, 0), 'AMAIR_EL1'],
  [pack(3, 0, 12, 8, 0), 'ICC_IAR0_EL1'],
  [pack(3, 0, 12, 8, 1), 'ICC_EOIR0_EL1'],
  [pack(3, 0, 12, 11, 1), 'ICC_DIR_EL1'],
  [pack(3, 0, 12, 11, 3), 'ICC_RPR_EL1'],
  [pack(3, 0, 12, 11, 5), 'ICC_SGI1R_EL1'],
  [pack(3, 0, 12, 11, 6), 'ICC_ASGI1R_EL1'],
  [pack(3, 0, 12, 11, 7), 'ICC_SGI0R_EL1'],
  [pack(3, 0, 12, 12, 0), 'ICC_IAR1_EL1'],
  [pack(3, 0, 12, 12, 1), 'ICC_EOIR1_EL1'],
  [pack(3, 0, 12, 12, 3), 'ICC_BPR1_EL1'],
  [pack(3, 0, 12, 12, 4), 'ICC_CTLR_EL1'],
  [pack(3, 0, 12, 12, 5), 'ICC_SRE_EL1'],
  [pack(3, 0, 12, 12, 6), 'ICC_IGRPEN0_EL1'],
  [pack(3, 0, 12, 12, 7), 'ICC_IGRPEN1_EL1'],
  [pack(3, 0, 13, 0, 1), 'CONTEXTIDR_EL1'],
  [pack(3, 0, 14, 1, 0), 'CNTKCTL_EL1'],
  [pack(3, 1, 0, 0, 1), 'CLIDR_EL1'],
  [pack(3, 1, 0, 0, 0), 'CCSIDR_EL1'],
  [pack(3, 2, 0, 0, 0), 'CSSELR_EL1'],
  [pack(3, 3, 0, 0, 1), 'CTR_EL0'],
  [pack(3, 3, 9, 12, 0), 'PMCR_EL0'],
  [pack(3, 3, 9, 12, 1), 'PMCNTENSET_EL0'],
  [pack(3, 3, 9, 12, 2), 'PMCNTENCLR_EL0'],
  [pack(3, 3, 9, 12, 3), 'PMOVSCLR_EL0'],
  [pack(3, 3, 9, 12, 4), 'PMSWINC_EL0'],
  [pack(3, 3, 9, 12, 5), 'PMSELR_EL0'],
  [pack(3, 3, 9, 12, 6), 'PMCEID0_EL0'],
  [pack(3, 3, 9, 12, 7), 'PMCEID1_EL0'],
  [pack(3, 3, 9, 13, 0), 'PMCCNTR_EL0'],
  [pack(3, 3, 9, 13, 1), 'PMXEVTYPER_EL0'],
  [pack(3, 3, 9, 13, 2), 'PMXEVCNTR_EL0'],
  [pack(3, 3, 9, 14, 0), 'PMUSERENR_EL0'],
  [pack(3, 3, 9, 14, 3), 'PMOVSSET_EL0'],
  [pack(3, 3, 14, 0, 1), 'CNTPCT_EL0'],
  [pack(3, 3, 14, 0, 2), 'CNTVCT_EL0'],
  [pack(3, 3, 14, 2, 0), 'CNTP_TVAL_EL0'],
  [pack(3, 3, 14, 2, 1), 'CNTP_CTL_EL0'],
  [pack(3, 3, 14, 2, 2), 'CNTP_CVAL_EL0'],
  [pack(3, 3, 14, 3, 0), 'CNTV_TVAL_EL0'],
  [pack(3, 3, 14, 3, 1), 'CNTV_CTL_EL0'],
  [pack(3, 3, 14, 3, 2), 'CNTV_CVAL_EL0'],
]);

/** `ICC_SGI1R_EL1`; else the generic name that the Arm ARM gives implementation defined ones, `S3_0_C12_C11_5`. */
export function sysregName(packed: number): string {
  const known = NAMES.get(packed);
  if (known !== undefined) return known;
  const op0 = (packed >>> 16) & 3;
  const op1 = (packed >>> 12) & 7;
  const crn = (packed >>> 8) & 15;
  const crm = (packed >>> 4) & 15;
  // Performance counters and their types: PMEVCNTRn_EL0 is 3 3 14 (8 + n/8) (n%8), PMEVTYPERn_EL0 3 3 14 (12 + n/8).
  if (op0 === 3 && op1 === 3 && crn === 14 && crm >= 8) {
    const n = (crm & 3) * 8 + (packed & 7);
    if (crm === 15 && (packed & 7) === 7) return 'PMCCFILTR_EL0';
    return `${crm < 12 ? 'PMEVCNTR' : 'PMEVTYPER'}${n}_EL0`;
  }
  return `S${op0}_${op1}_C${crn}_C${crm}_${packed & 7}`;
}
