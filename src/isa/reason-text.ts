/**
 * Reasons from printed trace text: the kernel's spelling (tracefs, perf trace) and that of libtraceevent's kvm
 * plugin (trace-cmd report, perf script). Spelling tells VMX from SVM: the kernel prints VMX names in upper case
 * and SVM names in lower case, the plugin prints VMX names in upper case and SVM names as EXIT_… or VMGEXIT_….
 */
import { ISA_ARM, ISA_ARM64, ISA_SVM, ISA_VMX } from '../core/isa-codes.ts';
import { lazy } from '../core/lazy.ts';
import { armReasonCode, codeFromWide } from './reason-code.ts';
import type { Reason } from './reason-row.ts';
import { REASON_TABLES, VMX_FAILED_VMENTRY } from './reason-tables.ts';

/** Longer than any name with its flags; keeps the patterns below off absurd lines. */
const MAX_NAME = 128;

type NameMap = Map<string, Reason>;

function addNames(map: NameMap, isa: number, spelling: 'name' | 'printed' | 'old-name'): void {
  for (const row of REASON_TABLES.get(isa) ?? []) {
    const text = spelling === 'printed' ? row.printed : row.name;
    if (text === undefined) continue;
    const key = spelling === 'old-name' ? text.toLowerCase() : text;
    if (!map.has(key)) map.set(key, { isa, code: row.code });
  }
}

const x86Names = lazy(() => {
  const names: NameMap = new Map();
  for (const isa of [ISA_VMX, ISA_SVM]) addNames(names, isa, 'name');
  for (const isa of [ISA_VMX, ISA_SVM]) addNames(names, isa, 'printed');
  // 2.6.3x kernels printed VMX names in lower case; those that SVM has too ("hlt") are read as SVM.
  addNames(names, ISA_VMX, 'old-name');
  return names;
});

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

/** `ret` values by the kernel's print (kvm_arm_exception_type); older kernels gave TRAP number 1, hence by name. */
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
