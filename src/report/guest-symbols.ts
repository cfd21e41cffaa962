/**
 * Guest symbols from a System.map or /proc/kallsyms (`ADDRESS TYPE NAME [module]`), and the offset at which the guest
 * ran them: KASLR shifts the kernel by a multiple of 2 MiB on x86 (CONFIG_PHYSICAL_ALIGN) and arm64, which a System.map
 * does not know. Some exits come from known functions (HLT from the idle loop, MSR_WRITE from native_write_msr …): an
 * offset that puts their addresses into such functions is the offset.
 */
import { TWO_32 } from '../core/words.ts';

/** Addresses are kept as their distance from the start of the kernel half, which a double holds exactly. */
const KERNEL_HIGH = 0xffff0000;
const ALIGN = 2 << 20;
/** Functions larger than this are data or gaps to the next section. */
const MAX_SIZE = 1 << 16;
const MAX_SYMBOLS = 2_000_000;

export interface GuestSymbols {
  /** Ascending. */
  readonly addresses: Float64Array;
  readonly names: readonly string[];
}

export type SymbolProblem = 'no symbols' | 'zero addresses';

/** Text symbols (types t, T, w, W) in the kernel half. */
export function parseGuestSymbols(text: string): GuestSymbols | SymbolProblem {
  const found: [number, string][] = [];
  let zeros = 0;
  for (const match of text.matchAll(/^([0-9a-fA-F]{8,16}) +([tTwW]) +(\S{1,512})/gm)) {
    const digits = match[1].padStart(16, '0');
    const address = kernelOffset(
      Number.parseInt(digits.slice(8), 16),
      Number.parseInt(digits.slice(0, 8), 16),
    );
    if (address === null) {
      if (/^0+$/.test(digits)) zeros++;
      continue;
    }
    if (found.length < MAX_SYMBOLS) found.push([address, match[3]]);
  }
  if (found.length === 0) return zeros > 0 ? 'zero addresses' : 'no symbols';
  found.sort((a, b) => a[0] - b[0]);
  return {
    addresses: Float64Array.from(found, ([address]) => address),
    names: found.map(([, name]) => name),
  };
}

/** Distance of an address (words) from the start of the kernel half; null below it. */
export function kernelOffset(low: number, high: number): number | null {
  return high >>> 0 >= KERNEL_HIGH ? ((high >>> 0) - KERNEL_HIGH) * TWO_32 + (low >>> 0) : null;
}

/** Functions that exits come from for sure: idle loops, MSR, port and CPUID helpers, interrupt controllers. */
const ENTRY_POINTS =
  /^(native_safe_halt|pv_native_safe_halt|native_halt|default_idle|acpi_safe_halt|acpi_idle_do_entry|arch_cpu_idle|kvm_wait|mwait_idle|native_write_msr|native_read_msr|native_write_msr_safe|native_apic_msr_write|native_apic_msr_eoi|native_apic_msr_eoi_write|native_x2apic_icr_write|lapic_next_deadline|x2apic_send_IPI|__x2apic_send_IPI_mask|__x2apic_send_IPI_dest|native_cpuid|pv_native_cpuid|native_io_delay|pci_conf1_read|pci_conf1_write|io_serial_in|io_serial_out|acpi_pm_read|iowrite8|iowrite16|iowrite32|ioread8|ioread16|ioread32|vp_notify|kvm_send_ipi_mask|native_apic_mem_write|native_apic_mem_read|cpu_do_idle|gic_send_sgi|gic_ipi_send_mask|gic_eoi_irq|gic_mask_irq|gic_poke_irq|pl011_read|pl011_write|pl011_putc|pl011_tx_chars|vm_notify)$/;

export interface Hot {
  /** kernelOffset() of a RIP. */
  readonly address: number;
  readonly exits: number;
}

export interface Solution {
  /** Bytes to take from an address to get the symbol table's. */
  readonly offset: number;
  /** Exits, and distinct addresses, that the offset puts into known functions. */
  readonly exits: number;
  readonly addresses: number;
}

/** The offset that most exits speak for; null if none does. */
export function solveOffset(symbols: GuestSymbols, hot: readonly Hot[]): Solution | null {
  const votes = new Map<number, { exits: number; addresses: number }>();
  const known = [...symbols.names.keys()].filter((i) => ENTRY_POINTS.test(symbols.names[i]));
  for (const { address, exits } of hot) {
    const offsets = new Set<number>();
    for (const i of known) {
      const distance = address - symbols.addresses[i];
      const offset = Math.floor(distance / ALIGN) * ALIGN;
      if (distance - offset < sizeAt(symbols, i)) offsets.add(offset);
    }
    for (const offset of offsets) {
      const vote = votes.get(offset) ?? { exits: 0, addresses: 0 };
      vote.exits += exits;
      vote.addresses++;
      votes.set(offset, vote);
    }
  }
  let best: Solution | null = null;
  for (const [offset, vote] of votes)
    if (
      best === null ||
      vote.addresses > best.addresses ||
      (vote.addresses === best.addresses &&
        (vote.exits > best.exits || (vote.exits === best.exits && offset === 0)))
    )
      best = { offset, ...vote };
  return best;
}

function sizeAt({ addresses }: GuestSymbols, i: number): number {
  // Aliases share an address: the size reaches to the next other one.
  let next = i + 1;
  while (next < addresses.length && addresses[next] === addresses[i]) next++;
  return Math.min(MAX_SIZE, next < addresses.length ? addresses[next] - addresses[i] : MAX_SIZE);
}

/** `native_safe_halt+0xb`; null where no function is. */
export function symbolAt(symbols: GuestSymbols, offset: number, address: number): string | null {
  const wanted = address - offset;
  const { addresses, names } = symbols;
  let low = 0;
  let high = addresses.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (addresses[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  // The first of several names at one address, for the same answer whatever their order.
  let at = low - 1;
  if (at < 0) return null;
  while (at > 0 && addresses[at - 1] === addresses[at]) at--;
  const distance = wanted - addresses[at];
  if (distance >= sizeAt(symbols, at)) return null;
  return distance === 0 ? names[at] : `${names[at]}+0x${distance.toString(16)}`;
}
