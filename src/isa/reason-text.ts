/**
 * Reasons from printed trace text: the kernel's spelling (tracefs, perf trace) and that of libtraceevent's kvm
 * plugin (trace-cmd report, perf script). Spelling tells VMX from SVM: the kernel prints VMX names in upper case
 * and SVM names in lower case, the plugin prints VMX names in upper case and SVM names as EXIT_… (perf-prof's copy of it
 * VMGEXIT_… as well).
 */
import { ISA_ARM, ISA_ARM64, ISA_SVM, ISA_VMX } from '../core/isa-codes.ts';
import { lazy } from '../core/lazy.ts';
import { armReasonCode, codeFromWide } from './reason-code.ts';
import type { Reason } from './reason-row.ts';
import { REASON_TABLES, VMX_FAILED_VMENTRY } from './reason-tables.ts';

/** Longer than any name with its flags; keeps the patterns below off absurd lines. */
const MAX_NAME = 128;

type NameMap = Map<string, Reason>;

/** What 2.6.32 prints on Intel (arch/x86/kvm/vmx.c, vmx_exit_reasons_str). */
const OLD_VMX_NAMES: readonly (readonly [name: string, code: number])[] = [
  ['exception', 0],
  ['ext_irq', 1],
  ['triple_fault', 2],
  ['interrupt_window', 7],
  ['nmi_window', 8],
  ['task_switch', 9],
  ['cpuid', 10],
  ['halt', 12],
  ['invlpg', 14],
  ['hypercall', 18],
  ['cr_access', 28],
  ['dr_access', 29],
  ['io_instruction', 30],
  ['rdmsr', 31],
  ['wrmsr', 32],
  ['tpr_below_thres', 43],
  ['apic_access', 44],
  ['ept_violation', 48],
  ['wbinvd', 54],
];

function addNames(map: NameMap, isa: number, spelling: 'name' | 'printed'): void {
  for (const row of REASON_TABLES.get(isa) ?? []) {
    const text = row[spelling];
    if (text !== undefined && !map.has(text)) map.set(text, { isa, code: row.code });
  }
}

/** Names of Intel's exits in lower case: those of 2.6.32, then those of later kernels so spelt. */
const oldVmxNames = lazy(() => {
  const names: NameMap = new Map(OLD_VMX_NAMES.map(([name, code]) => [name, { isa: ISA_VMX, code }]));
  for (const { name, code } of REASON_TABLES.get(ISA_VMX) ?? [])
    if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), { isa: ISA_VMX, code });
  return names;
});

const x86Names = lazy(() => {
  const names: NameMap = new Map();
  for (const isa of [ISA_VMX, ISA_SVM]) addNames(names, isa, 'name');
  for (const isa of [ISA_VMX, ISA_SVM]) addNames(names, isa, 'printed');
  // Those that SVM has too ("cpuid") are SVM's here.
  for (const [name, reason] of oldVmxNames()) if (!names.has(name)) names.set(name, reason);
  return names;
});

/** The reason of a lower-case name on a host that is known to be an Intel one of old; null if there is none. */
export function parseOldVmxName(name: string): Reason | null {
  return oldVmxNames().get(name) ?? null;
}

const otherNames = lazy(
  (): ReadonlyMap<number, NameMap> =>
    new Map(
      [...REASON_TABLES.keys()]
        .filter((isa) => isa !== ISA_VMX && isa !== ISA_SVM)
        .map((isa) => {
          const map: NameMap = new Map();
          addNames(map, isa, 'name');
          return [isa, map];
        }),
    ),
);

/**
 * The reason that trace text names, null if no tool prints this. Names are case-sensitive. Bare numbers
 * (`0x4d`, `UNKNOWN (77)`) belong to `isaHint`, as do all names when the hint is not x86. Flags of a VMX reason
 * (` FAILED_VMENTRY`, ` 0x8000000`) become its high bits again. Older libtraceevent printed EXIT_ERR for
 * every SVM code that it had no name for; that cannot be told from a real one.
 */
export function parseReasonName(name: string, isaHint: number): Reason | null {
  const names = otherNames().get(isaHint) ?? x86Names();
  const known = names.get(name);
  if (known) return known;
  if (name.length > MAX_NAME) return null;
  return parseNumber(name, isaHint) ?? (names === x86Names() ? parseFlagged(name, isaHint) : null);
}

const HEX = /^0x([0-9a-fA-F]{1,16})$/;
const PLUGIN_UNKNOWN = /^UNKNOWN \((\d{1,20})\)$/;

function parseNumber(text: string, isa: number): Reason | null {
  const hex = HEX.exec(text);
  const decimal = hex ? null : PLUGIN_UNKNOWN.exec(text);
  if (!hex && !decimal) return null;
  const code = codeFromWide(BigInt(hex ? text : decimal![1]), isa);
  return code === null ? null : { isa, code };
}

const FLAGGED = /^(.+?)((?:[ |](?:FAILED_VMENTRY|0x[0-9a-f]{1,8}))+)$/;

function parseFlagged(text: string, isaHint: number): Reason | null {
  const match = FLAGGED.exec(text);
  if (!match) return null;
  // Only VMX reasons have flags, so a number with flags is VMX whatever the hint.
  const basic = x86Names().get(match[1]) ?? parseNumber(match[1], ISA_VMX);
  if (basic?.isa !== ISA_VMX || basic.code > 0xffff || otherNames().has(isaHint)) return null;
  let code = basic.code;
  for (const flag of match[2].split(/[ |]/)) {
    if (flag === 'FAILED_VMENTRY') code |= VMX_FAILED_VMENTRY;
    else if (flag) code |= Number(flag) & ~0xffff;
  }
  return { isa: ISA_VMX, code: code >>> 0 };
}

/**
 * `ret` values by the kernel's print (kvm_arm_exception_type). Before 4.9 TRAP was number 1, hence by name; 4.9 to 4.19
 * still print that number as TRAP, and a trap, which is number 2 there, as 0x2.
 */
const ARM64_TYPES: ReadonlyMap<string, number> = new Map([
  ['IRQ', 0],
  ['SERROR', 1],
  ['TRAP', 2],
  ['ILLEGAL', 3],
  ['HYP_GONE', 0xbadca11],
]);

/**
 * The reason of `kvm_exit: TRAP: HSR_EC: 0x0001 (WFx)`: exception type by name or hex (unnamed types, or bit 31
 * set) and class number; null for an unknown word. HVC is the trap of 32-bit hosts (before 5.7), whose classes
 * have no table here.
 */
export function parseArmReason(retName: string, ec: number): Reason | null {
  if (retName === 'HVC') return { isa: ISA_ARM, code: ec };
  const type = ARM64_TYPES.get(retName) ?? (/^0x[0-9a-f]{1,8}$/i.test(retName) ? Number(retName) : undefined);
  return type === undefined ? null : { isa: ISA_ARM64, code: armReasonCode(type, ec) };
}
