/**
 * Well-known x86 I/O ports. Sources: IBM PC/AT technical reference as QEMU's hw/i386/pc.c, hw/isa/lpc_ich9.c and
 * hw/acpi/piix4.c place them, Linux drivers for the rest. The firmware chooses PMBASE (PM timer: PMBASE + 8): SeaBIOS
 * 0x600 on pc and q35 (0xb000 if QEMU hands it no ACPI tables), OVMF 0x600 on q35 and 0xb000 on pc. Ports given out at
 * run time (virtio BARs) have no name here.
 */
const PORTS: readonly (readonly [first: number, last: number, name: string])[] = [
  [0x00, 0x0f, 'DMA 1'],
  [0x20, 0x21, 'PIC 1'],
  [0x40, 0x43, 'PIT'],
  [0x60, 0x60, 'keyboard data'],
  [0x61, 0x61, 'PIT channel 2 / speaker'],
  [0x64, 0x64, 'keyboard control'],
  [0x70, 0x71, 'RTC / CMOS'],
  [0x80, 0x80, 'POST code / delay'],
  [0x81, 0x8f, 'DMA page'],
  [0x92, 0x92, 'fast A20'],
  [0xa0, 0xa1, 'PIC 2'],
  [0xb2, 0xb3, 'APM / SMI command'],
  [0xc0, 0xdf, 'DMA 2'],
  [0xe9, 0xe9, 'debug console'],
  [0xed, 0xed, 'delay'],
  [0xf0, 0xf1, 'FPU error'],
  [0x170, 0x177, 'IDE 2'],
  [0x1ce, 0x1d0, 'Bochs VBE'],
  [0x1f0, 0x1f7, 'IDE 1'],
  [0x278, 0x27f, 'parallel 2'],
  [0x2e8, 0x2ef, 'serial 4'],
  [0x2f8, 0x2ff, 'serial 2'],
  [0x376, 0x376, 'IDE 2 control'],
  [0x378, 0x37f, 'parallel 1'],
  [0x3b0, 0x3df, 'VGA'],
  [0x3e8, 0x3ef, 'serial 3'],
  [0x3f6, 0x3f6, 'IDE 1 control'],
  [0x3f0, 0x3f7, 'floppy'],
  [0x3f8, 0x3ff, 'serial 1'],
  [0x402, 0x402, 'firmware debug'],
  [0x4d0, 0x4d1, 'PIC edge/level'],
  [0x505, 0x505, 'pvpanic'],
  [0x510, 0x51b, 'fw_cfg'],
  [0x600, 0x603, 'ACPI PM events'],
  [0x604, 0x605, 'ACPI PM control'],
  [0x608, 0x60b, 'ACPI PM timer'],
  [0x620, 0x62f, 'ACPI GPE (q35)'],
  [0x660, 0x67f, 'TCO watchdog (q35)'],
  [0xae00, 0xae17, 'PCI hotplug (pc)'],
  [0xaf00, 0xaf1f, 'CPU hotplug'],
  [0xafe0, 0xafe3, 'ACPI GPE (pc)'],
  [0xb000, 0xb003, 'ACPI PM events'],
  [0xb004, 0xb005, 'ACPI PM control'],
  [0xb008, 0xb00b, 'ACPI PM timer'],
  [0xcc0, 0xcd7, 'PCI hotplug (q35)'],
  [0xcd8, 0xce3, 'CPU hotplug (q35)'],
  [0xcf8, 0xcfb, 'PCI config address'],
  [0xcf9, 0xcf9, 'reset control'],
  [0xcfc, 0xcff, 'PCI config data'],
  [0x5658, 0x5659, 'VMware backdoor'],
];

/** Name of the device at a port, null if it is not a well-known one. The narrowest range wins. */
export function portName(port: number): string | null {
  let found: (typeof PORTS)[number] | null = null;
  for (const entry of PORTS)
    if (port >= entry[0] && port <= entry[1] && (found === null || entry[1] - entry[0] < found[1] - found[0]))
      found = entry;
  return found === null ? null : found[2];
}

/** Devices that KVM emulates in the kernel with the default irqchip: their accesses need no user space. */
export function isKernelPort(port: number): boolean {
  return [0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x4d0, 0x4d1].includes(port);
}
