/**
 * Registers of the local APIC by offset. Sources: Intel SDM vol. 3, "Local APIC Register Address Map"; Linux
 * arch/x86/include/asm/apicdef.h.
 */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x20, 'ID'],
  [0x30, 'LVR'],
  [0x80, 'TPR'],
  [0x90, 'APR'],
  [0xa0, 'PPR'],
  [0xb0, 'EOI'],
  [0xc0, 'RRD'],
  [0xd0, 'LDR'],
  [0xe0, 'DFR'],
  [0xf0, 'SPIV'],
  [0x280, 'ESR'],
  [0x2f0, 'LVT_CMCI'],
  [0x300, 'ICR'],
  [0x310, 'ICR2'],
  [0x320, 'LVT_TIMER'],
  [0x330, 'LVT_THERMAL'],
  [0x340, 'LVT_PC'],
  [0x350, 'LVT0'],
  [0x360, 'LVT1'],
  [0x370, 'LVT_ERROR'],
  [0x380, 'TMICT'],
  [0x390, 'TMCCT'],
  [0x3e0, 'TDCR'],
  [0x3f0, 'SELF_IPI'],
]);

/** Name of the register at an offset into the APIC page; null for a reserved one. */
export function apicRegisterName(offset: number): string | null {
  const known = NAMES.get(offset);
  if (known !== undefined) return known;
  for (const [first, name] of [
    [0x100, 'ISR'],
    [0x180, 'TMR'],
    [0x200, 'IRR'],
  ] as const)
    if (offset >= first && offset < first + 0x80 && offset % 16 === 0)
      return `${name}${(offset - first) / 16}`;
  return null;
}
