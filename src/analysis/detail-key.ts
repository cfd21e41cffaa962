/** What an exit or a detail event was about, as integers: kind of access, direction, address. */
import {
  EV_APIC,
  EV_CR,
  EV_FAST_MMIO,
  EV_GUEST_FAULT,
  EV_MMIO,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_SYS_ACCESS,
  MAX_EVENTS,
} from '../core/events.ts';

const NO_DIRECTION = 0;
export const READ = 1;
export const WRITE = 2;

/** kvm_mmio's type: 0 unsatisfied read (goes to user space), 1 read, 2 write. */
const MMIO_WRITE = 2;

/** NO_DIRECTION, READ or WRITE of a detail event by its `code` column (core/event-fields.ts). */
export function directionOf(event: number, code: number): number {
  switch (event) {
    case EV_MMIO:
      return code === MMIO_WRITE ? WRITE : READ;
    case EV_FAST_MMIO:
      return WRITE;
    case EV_PIO:
    case EV_MSR:
    case EV_CR:
    case EV_APIC:
    case EV_SYS_ACCESS:
      return code === 0 ? READ : WRITE;
    default:
      return NO_DIRECTION;
  }
}

export function isFault(event: number): boolean {
  return event === EV_PAGE_FAULT || event === EV_GUEST_FAULT;
}

export function isDevice(event: number): boolean {
  return event === EV_PIO || event === EV_MMIO || event === EV_FAST_MMIO;
}

/** Events by number: direction for codes 0, 2 and others (two bits each), then whether it is a page fault. */
export function fillKinds(kinds: Uint8Array): void {
  for (let event = 0; event < MAX_EVENTS; event++)
    kinds[event] =
      directionOf(event, 0) |
      (directionOf(event, 2) << 2) |
      (directionOf(event, 1) << 4) |
      (isFault(event) ? 1 << 6 : 0);
}
