/**
 * A report that may leave the house (--redact): what names machines, people or places of memory is replaced in the
 * model, before any renderer sees it. Pseudonyms are numbered in the order of the report, so the same name is the same
 * pseudonym everywhere in it and the same recording gives the same report.
 *
 * Replaced: host, VM and thread names, process and thread numbers, addresses (guest RIP, guest physical ones without a
 * known device), paths, command lines, and what the file states about the recording as far as it is free text.
 * Kept: kernel and CPU, times, counts, reasons, devices, checksums, `CPU 3/KVM` (QEMU's own thread names).
 */
import { buildVerdict } from './build-verdict.ts';
import type { ReportModel } from './model.ts';
import { nameReplacer } from './name-replacer.ts';
import { redactCommand } from './redact-command.ts';

/** Facts whose values are numbers, versions and words of tracers. Others are free text. */
const PLAIN_FACTS =
  /^(file version|compression|recorder|cpus|clock ns|clock wall ns|clock resolution ns|cycles to ns|time offset ns|time shift|tracer|QEMU log|simpletrace|QEMU events named)$/;
const NUMBER_KEY = /(?:^|[a-z])(?:pid|tid|tgid)$/i;
const NAME_KINDS: Readonly<Record<string, string>> = {
  comm: 'thread',
  thread: 'thread',
  process: 'thread',
  vm: 'vm',
  host: 'host',
  path: 'file',
};
const ADDRESS_KEY = /^(?:rip|pc|address|gpa|gva|page|target|addresses)$/i;
/** Kinds of detail whose number names a register, a port or a leaf, no place in memory. */
const NO_MEMORY = new Set(
  'port msr cpuid cr hypercall hv-hypercall xen-hypercall apic sysreg hvc vmgexit'.split(' '),
);
/** Checksums, and our own words for what a report is: no name in them is a recording's. */
const KEPT_KEYS = new Set(['sha256', 'kinds', 'gap']);
/** A range where guests place devices (isa/mmio-devices.ts): where in it is this guest's own choice. */
const PCI_BAR = 'PCI BAR';
/** QEMU's own names for vCPU threads, and the idle thread: the same on every machine. */
const COMMON_THREAD = /^(?:CPU \d{1,5}\/(?:KVM|TCG)|idle|swapper\/\d{1,5})$/;

type Plain = Record<string, unknown>;
const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Pseudonyms {
  name(kind: string, original: string): string;
  id(original: number): number;
  address(original: string, kind: string): string;
  /** Every name known so far, wherever it stands in a text, and addresses, paths and `tid 139`. */
  text(original: string): string;
}

export function createPseudonyms(usedIds: ReadonlySet<number>): Pseudonyms {
  const names = new Map<string, string>();
  const ids = new Map<number, number>();
  const addresses = new Map<string, string>();
  const counts = new Map<string, number>();
  let lastId = 0;
  let replaceNames: ((text: string) => string) | null = null;
  const next = (kind: string) => {
    const number = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, number);
    return `${kind}-${number}`;
  };
  const self: Pseudonyms = {
    name(kind, original) {
      if (original === '' || COMMON_THREAD.test(original)) return original;
      const known = names.get(original);
      if (known !== undefined) return known;
      const made = next(kind);
      names.set(original, made);
      replaceNames = null;
      return made;
    },
    id(original) {
      const known = ids.get(original);
      // 0 is the idle thread and −1 nobody, on every machine.
      if (original <= 0) return original;
      if (known !== undefined) return known;
      do lastId++;
      while (usedIds.has(lastId));
      ids.set(original, lastId);
      return lastId;
    },
    address(original, kind) {
      const known = addresses.get(original);
      if (known !== undefined) return known;
      const half = kind !== 'addr' ? kind : /^0xffff[0-9a-f]{12}/i.test(original) ? 'kernel-addr' : 'addr';
      const made = next(half);
      addresses.set(original, made);
      return made;
    },
    text(original) {
      replaceNames ??= nameReplacer(names);
      return replaceNames(names.get(original) ?? original)
        .replace(/0x[0-9a-f]{9,}/gi, (address) => self.address(address, 'addr'))
        .replace(/(?<![\w./])(?!\/(?:sys|proc|dev)\/)(?:~|\.{0,2})(?:\/[^\s/:,;'"()]+){2,}/g, (path) =>
          self.name('file', path),
        )
        .replace(
          /\b((?:pid|tid|tgid|process|thread|task)s? )(\d+(?:[-,] ?\d+)*)/gi,
          (_, word, list) => word + list.replace(/\d+/g, (digits: string) => String(self.id(Number(digits)))),
        );
    },
  };
  return self;
}

/** Every process and thread number and every name of the model, before texts that may mention them are rewritten. */
function walk(value: unknown, visit: (key: string, value: unknown) => void, key = ''): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit, key);
  else if (isPlain(value)) for (const [name, item] of Object.entries(value)) walk(item, visit, name);
  else visit(key, value);
}

/** Whether an address is a device's or no place in memory at all: it says nothing about this machine. */
function isCommon(owner: Plain): boolean {
  const known = owner.device ?? owner.what ?? null;
  return (
    (known !== null && known !== PCI_BAR) || (typeof owner.kind === 'string' && NO_MEMORY.has(owner.kind))
  );
}

function rewrite(value: unknown, names: Pseudonyms, key: string, owner: Plain): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, names, key, owner));
  if (isPlain(value)) {
    const copy: Plain = {};
    for (const [name, item] of Object.entries(value)) copy[name] = rewrite(item, names, name, value);
    return copy;
  }
  if (typeof value === 'number') return NUMBER_KEY.test(key) ? names.id(value) : value;
  if (typeof value !== 'string') return value;
  if (KEPT_KEYS.has(key)) return value;
  if (Object.hasOwn(NAME_KINDS, key)) return names.name(NAME_KINDS[key], value);
  if (ADDRESS_KEY.test(key) && /^0x[0-9a-f]+$/i.test(value))
    return isCommon(owner) ? value : names.address(value, /rip|pc/i.test(key) ? 'addr' : 'gpa');
  return key === 'values' ? eventValues(value, owner, names) : names.text(value);
}

/** Values of an event during a slow exit: `to comm (139)`, `read 0xfee00390 LAPIC TMCCT = 0x10`. */
function eventValues(value: string, owner: Plain, names: Pseudonyms): string {
  const thread = /^(to|wakes) (.*) \((\d+)\)$/s.exec(value);
  if (thread)
    return `${thread[1]} ${thread[2] === 'thread' ? 'thread' : names.name('thread', thread[2])} (${names.id(Number(thread[3]))})`;
  const memory = /fault|mmio/i.test(String(owner.name));
  return names.text(
    value
      .replace(/= 0x[0-9a-f]+$/i, '= (redacted)')
      .replace(/0x[0-9a-f]{5,}(?! (?!PCI BAR)[A-Za-z])/gi, (address) =>
        memory ? names.address(address, 'gpa') : address,
      ),
  );
}

/** The model without what identifies; its words are built anew from what is left. */
export function redactModel(model: ReportModel): ReportModel {
  const used = new Set<number>();
  walk(model, (key, value) => {
    if (typeof value === 'number' && NUMBER_KEY.test(key)) used.add(value);
  });
  const names = createPseudonyms(used);
  walk(model, (key, value) => {
    if (typeof value === 'string' && Object.hasOwn(NAME_KINDS, key)) names.name(NAME_KINDS[key], value);
  });
  const { facts, events } = model.capture;
  const { verdict, reproduce, ...rest } = model;
  const capture = { ...model.capture, facts: {}, events: {} };
  const copy = rewrite({ ...rest, capture }, names, '', {}) as ReportModel;
  // Keys that are data: an event named pid has a count, no process number.
  copy.capture.events = events;
  // A fact may be named __proto__, which an assignment would not keep.
  copy.capture.facts = Object.fromEntries(
    Object.entries(facts).map(([key, value]) =>
      PLAIN_FACTS.test(key) ? [key, names.text(value)] : [names.text(key), '(redacted)'],
    ),
  );
  if (reproduce)
    copy.reproduce = {
      versions: reproduce.versions,
      command: redactCommand(reproduce.command, reproduce.inputs, names),
      inputs: reproduce.inputs.map(({ path, sha256 }) => ({ path: names.name('file', path), sha256 })),
    };
  if (verdict) copy.verdict = buildVerdict(copy);
  return copy;
}
