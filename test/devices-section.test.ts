/** The section on devices: who answers, escalations and accesses of made-up recordings against brute force. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_MEMORY_REGION_OPS_READ,
  EV_MMIO,
  EV_PIO,
  EV_SET_IOEVENTFD_MMIO,
  EV_SET_IOEVENTFD_PIO,
  EV_USERSPACE_EXIT,
  EV_VIRTIO_NOTIFY,
  EV_VIRTIO_NOTIFY_IRQFD,
  EV_VIRTIO_QUEUE_NOTIFY,
} from '../src/core/events.ts';
import { ISA_ARM64, ISA_VMX } from '../src/core/isa-codes.ts';
import { internString } from '../src/core/string-table.ts';
import { type DevicesModel, devicesSection } from '../src/report/build-devices.ts';
import { eventBatch, type TestEvent } from './support/events.ts';
import {
  type About,
  byKey,
  eventsOfExits,
  figuresOf,
  hex,
  isOrdered,
  type MadeExit,
  madeExit,
  regionOf,
} from './support/made-up-exits.ts';
import { blocksOf, madeUp } from './support/made-up-report.ts';

const report = await madeUp(['devices']);
const ENABLED = ['kvm_entry', 'kvm_userspace_exit'];
const list = fc.array(madeExit, { minLength: 1, maxLength: 60 });
const KVM_EXIT: Readonly<Record<number, string>> = { 2: 'KVM_EXIT_IO', 6: 'KVM_EXIT_MMIO' };
const REASONS: Readonly<Record<number, string>> = { 10: 'CPUID', 30: 'IO_INSTRUCTION', 48: 'EPT_VIOLATION' };

interface Ioeventfd {
  readonly port: boolean;
  readonly address: bigint;
  readonly assign: boolean;
}
const ioeventfd: fc.Arbitrary<Ioeventfd> = fc.record({
  port: fc.boolean(),
  address: fc.constantFrom(0xc000n, 0xfe003000n, 0x3f8n),
  assign: fc.boolean(),
});
const eventOf = ({ port, address, assign }: Ioeventfd): TestEvent => ({
  ...{ time: 1, event: port ? EV_SET_IOEVENTFD_PIO : EV_SET_IOEVENTFD_MMIO },
  ...{ address, code: assign ? 1 : 0 },
});

const devicesOf = (exits: readonly MadeExit[], escalation: boolean, registered: readonly Ioeventfd[] = []) =>
  report([...registered.map(eventOf), ...eventsOfExits(exits)], escalation ? ENABLED : ['kvm_entry'])
    .devices!;

const kindOf = ({ kind }: About) => (kind === 'port' ? 'port' : /mmio$/.test(kind) ? 'mmio' : null);
const deviceKey = ({ about }: MadeExit) => {
  const kind = about && kindOf(about);
  return about && kind && [kind, about.direction, hex(about.address)].join();
};

/** Ports of the PIC and the PIT, addresses of LAPIC and IOAPIC: devices that KVM emulates. */
const IN_KERNEL = /^port,\w+,0x40$|^mmio,\w+,0xfe[ce]0/;

/** As docs/json.md and the section's own words have it. */
function handlerOf(
  key: string,
  exits: readonly MadeExit[],
  escalation: boolean,
  hasIoeventfd: boolean,
): string {
  const fast = exits.filter(({ about }) => about!.kind === 'fast-mmio');
  if (fast.length === exits.length) return 'ioeventfd';
  if (!escalation) return 'unknown';
  const escalated = exits.some(({ fate }) => fate === 'user');
  const others = exits.some(({ fate, about }) => about!.kind === 'fast-mmio' || /kernel|open/.test(fate));
  if (escalated) return others ? 'mixed' : 'user space';
  if (hasIoeventfd) return 'ioeventfd';
  return IN_KERNEL.test(key) ? 'kernel device' : 'in kernel';
}

test('each address has one row per direction: figures, and who answers', () => {
  fc.assert(
    fc.property(
      list,
      fc.boolean(),
      fc.boolean(),
      fc.array(ioeventfd, { maxLength: 3 }),
      (exits, escalation, quiet, registered) => {
        const given = exits.map((exit) =>
          // What goes to user space is not answered by kvm_fast_mmio; what an ioeventfd takes need not go there.
          !escalation ||
          exit.about?.kind === 'fast-mmio' ||
          (quiet && registered.some(({ address }) => address === exit.about?.address))
            ? { ...exit, fate: 'kernel' as const }
            : exit,
        );
        const { rows, known, escalationKnown } = devicesOf(given, escalation, registered);
        const expected = [...byKey(given, deviceKey)].map(([key, members]) => {
          const [kind, direction, address] = key.split(',');
          const hasIoeventfd = registered.some(
            (row) => row.assign && (row.port ? 'port' : 'mmio') === kind && hex(row.address) === address,
          );
          const figures = figuresOf(members, escalation);
          return {
            ...{ kind, direction, address, ...figures, ioeventfd: hasIoeventfd, mayMiss: 0 },
            handler: handlerOf(key, members, escalation, hasIoeventfd),
            inKernel: figures.escalated === null ? null : figures.exits - figures.escalated,
            fast: members.filter(({ about }) => about!.kind === 'fast-mmio').length,
          };
        });
        const id = (row: { kind: string; direction: string; address: string }) =>
          `${row.kind} ${row.direction} ${row.address}`;
        const sorted = <Row extends Parameters<typeof id>[0]>(list: readonly Row[]) =>
          [...list].sort((a, b) => (id(a) < id(b) ? -1 : 1));
        expect(sorted(rows.map(({ device: _device, ...row }) => row))).toEqual(sorted(expected));
        expect([known, escalationKnown]).toEqual([expected.length > 0, escalation]);
        expect(isOrdered(rows, (a, b) => b.exits - a.exits || (a.address <= b.address ? 0 : 1))).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test('each escalated exit is in one row, by reason, KVM_EXIT reason and what it was about', () => {
  fc.assert(
    fc.property(list, fc.boolean(), (exits, escalation) => {
      const given = escalation ? exits : exits.map((exit) => ({ ...exit, fate: 'kernel' as const }));
      const { escalations } = devicesOf(given, escalation);
      const expected = byKey(given, ({ reason, fate, userReason, about }) => {
        if (fate !== 'user') return null;
        const { kind, direction } = about ?? { kind: 'none', direction: null };
        const place = about && hex(kind === 'page-fault' ? regionOf(about.address) : about.address);
        return JSON.stringify([
          'vmx',
          reason,
          REASONS[reason],
          userReason,
          KVM_EXIT[userReason],
          kind,
          direction,
          place,
        ]);
      });
      const found = escalations.map((row) => {
        const { isa, code, name, userspaceCode, userspaceName, kind, direction, address } = row;
        const key = [isa, code, name, userspaceCode, userspaceName, kind, direction, address];
        return [JSON.stringify(key), row.count, row.restarts, row.kernelNs, row.userspaceNs];
      });
      expect(Object.fromEntries(found.map(([key, ...figures]) => [key, figures]))).toEqual(
        Object.fromEntries(
          [...expected].map(([key, members]) => {
            const { exits: count, restarts, kernelNs, userspaceNs } = figuresOf(members);
            return [key, [count, restarts, kernelNs, userspaceNs]];
          }),
        ),
      );
      expect(
        isOrdered(escalations, (a, b) => b.count - a.count || Number(b.userspaceNs) - Number(a.userspaceNs)),
      ).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('reasons beyond 2^31 keep their number', () => {
  const [exit] = fc.sample(madeExit, { numRuns: 1, seed: 1 });
  const given = { ...exit, fate: 'user' as const, userReason: 0xfffffffe };
  const [{ userspaceCode, userspaceName, count }] = devicesOf([given], true).escalations;
  expect([userspaceCode, userspaceName, count]).toEqual([0xfffffffe, '0xfffffffe', 1]);
});

const AROUND = new Set([EV_EXIT, EV_USERSPACE_EXIT, EV_ENTRY]);

test('a KVM_EXIT of any number is an escalation: the largest is not taken for none', () => {
  const codes = [0, 0xfffffffe, 0xffffffff];
  const events = codes.flatMap((code, i): TestEvent[] => [
    { time: 10 * i, event: EV_EXIT, isa: ISA_VMX, code: 30 },
    { time: 10 * i + 2, event: EV_USERSPACE_EXIT, code },
    { time: 10 * i + 5, event: EV_ENTRY },
  ]);
  // One that stays in the kernel.
  events.push({ time: 100, event: EV_EXIT, isa: ISA_VMX, code: 30 }, { time: 101, event: EV_ENTRY });
  events.push({ time: 103, event: EV_PIO, code: 0, address: 0x3f8 });
  const { devices, escalation } = report(events, ENABLED);
  const rows = devices!.escalations.map(({ userspaceCode, count, kernelNs }) => [
    userspaceCode,
    count,
    kernelNs,
  ]);
  expect(rows.sort()).toEqual(codes.map((code) => [code, 1, 2]).sort());
  // By KVM_EXIT reason alone there is no room for numbers that nobody defined.
  expect(escalation.byUserspaceReason.map(({ name, count }) => [name, count])).toEqual([
    ['0xff and above', 2],
    ['KVM_EXIT_UNKNOWN', 1],
  ]);
});

test('accesses count with and without an exit around them', () => {
  fc.assert(
    fc.property(list, fc.boolean(), (exits, around) => {
      const events = eventsOfExits(exits).filter(({ event }) => around || !AROUND.has(event));
      const { accesses } = report(events, ENABLED).devices!;
      const expected = byKey(exits, ({ about }) => {
        // An unsatisfied read is traced again, as a read, once user space has answered it.
        const unsatisfied = about?.event === EV_MMIO && about.code === 0;
        const kind = about && !unsatisfied ? kindOf(about) : null;
        // kvm_mmio and kvm_fast_mmio are two events of one address.
        return about && kind && [about.kind, kind, about.direction, hex(about.address)].join();
      });
      expect(
        accesses
          .map(({ kind, direction, address, count }) => `${kind},${direction},${address} ${count}`)
          .sort(),
      ).toEqual(
        [...expected].map(([key, members]) => `${key.replace(/^[^,]*,/, '')} ${members.length}`).sort(),
      );
      expect(isOrdered(accesses, (a, b) => b.count - a.count || (a.address <= b.address ? 0 : 1))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('an MMIO read that user space answers is one access, however often KVM traces it', () => {
  const read = (code: number, time: number): TestEvent => ({
    time,
    event: EV_MMIO,
    code,
    address: 0xfed000f0,
  });
  const { accesses } = report([read(0, 1), read(1, 5), read(0, 11), read(1, 15), read(2, 20)], null).devices!;
  expect(accesses.map(({ direction, count }) => `${direction} ${count}`)).toEqual(['read 2', 'write 1']);
});

test('accesses beside the exits that were chosen by reason are none of theirs', () => {
  const model = report(
    [
      { time: 0, event: EV_MMIO, code: 2, address: 0xfed000f0 },
      { time: 10, event: EV_EXIT, isa: ISA_VMX, code: 10 },
      { time: 20, event: EV_ENTRY },
    ],
    ENABLED,
  );
  const titles = (asked: boolean) => blocksOf(devicesSection, model, 0, asked).map(({ title }) => title);
  expect([titles(false), titles(true)]).toEqual([['Device accesses'], ['Device accesses']]);
  model.selection = { filters: ['reason cpuid'], kinds: ['reason'] };
  expect(titles(false)).toEqual([]);
  expect(blocksOf(devicesSection, model, 0, true).map(({ sentences }) => sentences)).toEqual([
    ['No exit of the selection accessed a device.'],
  ]);
});

test.each([
  ['of an x86 guest', ISA_VMX, 'x86_64', { '0x8000000': 'in kernel null', '0x9000000': 'user space null' }],
  [
    'of an arm64 guest',
    ISA_ARM64,
    'aarch64',
    { '0x8000000': 'kernel device GIC distributor', '0x9000000': 'user space PL011 UART' },
  ],
  [
    'of exits that are arm64 ones',
    ISA_ARM64,
    null,
    { '0x8000000': 'kernel device GIC distributor', '0x9000000': 'user space PL011 UART' },
  ],
])('an address is that %s', (_, isa, arch, expected) => {
  const access = (time: number, address: number, rest: readonly TestEvent[]): TestEvent[] => [
    { time, event: EV_EXIT, isa, code: 0x24 },
    { time: time + 1, event: EV_MMIO, code: 2, address },
    ...rest,
    { time: time + 9, event: EV_ENTRY },
  ];
  const events = [
    ...access(0, 0x8000000, []),
    ...access(10, 0x9000000, [{ time: 12, event: EV_USERSPACE_EXIT, code: 6, arg0: 0 }]),
  ];
  const { rows, accesses, escalations } = report(events, ENABLED, null, (context) => {
    context.arch = arch;
  }).devices!;
  expect(Object.fromEntries(rows.map((row) => [row.address, `${row.handler} ${row.device}`]))).toEqual(
    expected,
  );
  const deviceAt = (address: string) => rows.find((row) => row.address === address)!.device;
  expect(accesses.map(({ device }) => device)).toEqual(accesses.map(({ address }) => deviceAt(address)));
  expect(escalations.map(({ device }) => device)).toEqual([deviceAt('0x9000000')]);
});

describe('what QEMU says', () => {
  const access = (kind: 'port' | 'mmio', address: bigint): MadeExit => ({
    ...{
      reason: 30,
      thread: 0,
      rip: null,
      fate: 'user',
      userReason: 2,
      kernelNs: 1,
      userNs: 1,
      vector: null,
    },
    about: { event: EV_PIO, code: 1, address, kind, direction: 'write' },
  });
  const exits = eventsOfExits([0x70n, 0xc010n, 0xc020n].map((address) => access('port', address)));

  test('its names for addresses stand before those of well-known devices', () => {
    const regions = [
      [0xc020n, 'virtio-pci-notify'],
      [0x70n, 'rtc-index'],
    ] as const;
    const batch = eventBatch([
      ...regions.map(([address]) => ({ time: 1, event: EV_MEMORY_REGION_OPS_READ, address })),
      ...exits,
    ]);
    const { rows, accesses, escalations } = report(batch, ENABLED, null, ({ strings }) => {
      internString(strings, 'of something else');
      regions.forEach(([, name], row) => {
        batch.text[row] = internString(strings, name);
      });
    }).devices!;
    for (const table of [rows, accesses, escalations])
      expect(Object.fromEntries(table.map(({ address, device }) => [address, device]))).toEqual({
        '0x70': 'rtc-index',
        '0xc010': null,
        '0xc020': 'virtio-pci-notify',
      });
    expect(report(exits, ENABLED).devices!.rows.find(({ address }) => address === '0x70')!.device).toBe(
      'RTC / CMOS',
    );
  });

  test('ioeventfds that it registered, and how often; one that it takes back is none', () => {
    const registered = [
      { port: false, address: 0x1_0000_2000n, assign: true },
      { port: true, address: 0xc010n, assign: true },
      { port: true, address: 0xc010n, assign: true },
      { port: false, address: 0x70n, assign: false },
    ];
    expect(report([...registered.map(eventOf), ...exits], ENABLED).devices!.ioeventfds).toEqual([
      { kind: 'mmio', address: '0x100002000', registrations: 1 },
      { kind: 'port', address: '0xc010', registrations: 2 },
    ]);
  });

  test('virtio events are counted each by itself, and not known where there is none', () => {
    const virtio = (events: readonly number[]): DevicesModel['virtio'] =>
      report([...events.map((event) => ({ time: 1, event })), ...exits], ENABLED).devices!.virtio;
    const [queue, notify, irqfd] = [EV_VIRTIO_QUEUE_NOTIFY, EV_VIRTIO_NOTIFY, EV_VIRTIO_NOTIFY_IRQFD];
    expect(virtio([])).toEqual({ queueNotify: null, notify: null, notifyIrqfd: null });
    expect(virtio([queue])).toEqual({ queueNotify: 1, notify: null, notifyIrqfd: null });
    expect(virtio([irqfd, queue, notify, irqfd, notify, irqfd])).toEqual({
      queueNotify: 1,
      notify: 2,
      notifyIrqfd: 3,
    });
  });
});
