/** What a detail event was about, in words: kind, number, and the name of what is there. */
import { READ, WRITE } from '../analysis/detail-key.ts';
import {
  EV_APIC,
  EV_CPUID,
  EV_CR,
  EV_FAST_MMIO,
  EV_GUEST_FAULT,
  EV_HV_HYPERCALL,
  EV_HVC_ARM64,
  EV_HYPERCALL,
  EV_MMIO,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_SYS_ACCESS,
  EV_VMGEXIT_ENTER,
  EV_XEN_HYPERCALL,
} from '../core/events.ts';
import { ISA_SVM } from '../core/isa-codes.ts';
import { TWO_32, wordsToHex } from '../core/words.ts';
import { apicRegisterName } from '../isa/apic-registers.ts';
import { cpuidName } from '../isa/cpuid-leaves.ts';
import { hvcName, hypervHypercallName, kvmHypercallName } from '../isa/hypercall-names.ts';
import { mmioName } from '../isa/mmio-devices.ts';
import { msrName } from '../isa/msr-names.ts';
import { portName } from '../isa/port-names.ts';
import { reasonIndex, reasonName } from '../isa/reasons.ts';
import { sysregName } from '../isa/sysreg-names.ts';
import type { CaptureModel } from './model.ts';

export type DetailKind =
  | 'port'
  | 'mmio'
  | 'fast-mmio'
  | 'msr'
  | 'cpuid'
  | 'cr'
  | 'hypercall'
  | 'hv-hypercall'
  | 'xen-hypercall'
  | 'apic'
  | 'page-fault'
  | 'sysreg'
  | 'hvc'
  | 'vmgexit'
  | 'none';

const KINDS: ReadonlyMap<number, DetailKind> = new Map<number, DetailKind>([
  [EV_PIO, 'port'],
  [EV_MMIO, 'mmio'],
  [EV_FAST_MMIO, 'fast-mmio'],
  [EV_MSR, 'msr'],
  [EV_CPUID, 'cpuid'],
  [EV_CR, 'cr'],
  [EV_HYPERCALL, 'hypercall'],
  [EV_HV_HYPERCALL, 'hv-hypercall'],
  [EV_XEN_HYPERCALL, 'xen-hypercall'],
  [EV_APIC, 'apic'],
  [EV_PAGE_FAULT, 'page-fault'],
  [EV_GUEST_FAULT, 'page-fault'],
  [EV_SYS_ACCESS, 'sysreg'],
  [EV_HVC_ARM64, 'hvc'],
  [EV_VMGEXIT_ENTER, 'vmgexit'],
]);

/** Events whose address tells what an exit was about, by name. */
export const DETAIL_EVENTS = [...KINDS.keys()];

export function detailKind(event: number): DetailKind {
  return KINDS.get(event) ?? 'none';
}

export function directionName(direction: number): 'read' | 'write' | null {
  return direction === READ ? 'read' : direction === WRITE ? 'write' : null;
}

/** Whether guest physical addresses are an arm64 guest's; its exits tell where the recording names no machine. */
export function hasArmGuests({ arch, isa }: CaptureModel): boolean {
  return /^(aarch64|arm)/.test(arch ?? '') || isa.includes('arm64');
}

/** Name of what a detail is about; null if nothing is known of it. `isArm`: the address space is an arm64 guest's. */
export function detailName(kind: DetailKind, low: number, high: number, isArm: boolean): string | null {
  const number = low >>> 0;
  switch (kind) {
    case 'port':
      return portName(number);
    case 'mmio':
    case 'fast-mmio':
      return mmioName(isArm, (high >>> 0) * TWO_32 + number);
    case 'msr':
      return msrName(number);
    case 'cpuid':
      return cpuidName(number);
    case 'cr':
      return `CR${number}`;
    case 'hypercall':
      return kvmHypercallName(number);
    case 'hv-hypercall':
      return hypervHypercallName(number);
    case 'apic':
      return apicRegisterName(number);
    case 'sysreg':
      return sysregName(number);
    case 'hvc':
      return hvcName(number);
    case 'vmgexit':
      return vmgexitName(number);
    default:
      return null;
  }
}

/** `0x3f8`. */
export function detailAddress(low: number, high: number): string {
  return wordsToHex(low >>> 0, high >>> 0);
}

/** The guest asks for what an exit of that number would have been about, or for one of VMGEXIT's own services. */
function vmgexitName(code: number): string | null {
  return reasonIndex(ISA_SVM, code) < 0 ? null : reasonName(ISA_SVM, code);
}
