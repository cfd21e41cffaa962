/**
 * Well-known guest physical addresses. x86: Intel SDM vol. 3 (LAPIC), ICH9 datasheet as QEMU's q35 and pc machines use
 * it. arm64: QEMU hw/arm/virt.c (base_memmap, the same in 7.2 and 10.0); kvmtool and crosvm place devices elsewhere and
 * get no names beyond what lies at the same address. PCI windows are named as such: what a BAR there belongs to is not
 * recorded.
 */
import { apicRegisterName } from './apic-registers.ts';

interface Window {
  readonly first: number;
  readonly last: number;
  readonly name: string;
}

const X86: readonly Window[] = [
  { first: 0xa0000, last: 0xbffff, name: 'VGA memory' },
  { first: 0xb0000000, last: 0xbfffffff, name: 'PCIe config (q35)' },
  { first: 0xfeb00000, last: 0xfebfffff, name: 'PCI BAR' },
  { first: 0xfec00000, last: 0xfec00fff, name: 'IOAPIC' },
  { first: 0xfed00000, last: 0xfed003ff, name: 'HPET' },
  { first: 0xfed1c000, last: 0xfed1ffff, name: 'RCBA (q35)' },
  { first: 0xfed40000, last: 0xfed44fff, name: 'TPM' },
  { first: 0xfed80000, last: 0xfed8ffff, name: 'AMD FCH or IOMMU' },
  { first: 0xfed90000, last: 0xfed93fff, name: 'IOMMU' },
  { first: 0xffc00000, last: 0xffffffff, name: 'firmware flash' },
];

const LAPIC = 0xfee00000;

const ARM64: readonly Window[] = [
  { first: 0x00000000, last: 0x07ffffff, name: 'flash' },
  { first: 0x08000000, last: 0x0800ffff, name: 'GIC distributor' },
  { first: 0x08010000, last: 0x0801ffff, name: 'GICv2 CPU interface' },
  { first: 0x08020000, last: 0x08020fff, name: 'GICv2m' },
  { first: 0x08080000, last: 0x0809ffff, name: 'GIC ITS' },
  { first: 0x080a0000, last: 0x08ffffff, name: 'GIC redistributor' },
  { first: 0x09000000, last: 0x09000fff, name: 'PL011 UART' },
  { first: 0x09010000, last: 0x09010fff, name: 'PL031 RTC' },
  { first: 0x09020000, last: 0x09020017, name: 'fw_cfg' },
  { first: 0x09030000, last: 0x09030fff, name: 'PL061 GPIO' },
  { first: 0x09040000, last: 0x09040fff, name: 'PL011 UART (second)' },
  { first: 0x09050000, last: 0x0906ffff, name: 'SMMU' },
  { first: 0x09070000, last: 0x0907ffff, name: 'memory hotplug' },
  { first: 0x09080000, last: 0x0908ffff, name: 'ACPI GED' },
  { first: 0x0a000000, last: 0x0a003fff, name: 'virtio-mmio' },
  { first: 0x0c000000, last: 0x0dffffff, name: 'platform bus' },
  { first: 0x10000000, last: 0x3efeffff, name: 'PCI BAR' },
  { first: 0x3eff0000, last: 0x3effffff, name: 'PCI I/O ports' },
  { first: 0x3f000000, last: 0x3fffffff, name: 'PCIe config' },
];

function nameIn(windows: readonly Window[], address: number): string | null {
  return windows.find(({ first, last }) => address >= first && address <= last)?.name ?? null;
}

/** Name of what lies at a guest physical address (a number: such addresses are below 2^52); null if unknown. */
export function mmioName(isArm: boolean, address: number): string | null {
  if (isArm) return nameIn(ARM64, address);
  if (address >= LAPIC && address < LAPIC + 0x1000) {
    const register = apicRegisterName(address - LAPIC);
    return register === null ? 'LAPIC' : `LAPIC ${register}`;
  }
  return nameIn(X86, address);
}
