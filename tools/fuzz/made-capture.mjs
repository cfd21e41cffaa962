/** Captures that no recorder makes: any event with any values, and names and facts of any text. */
import { NASTY_NAMES } from './mutations.mjs';
import { picker } from './random.mjs';

const { createCaptureWriter } = await import('../../dist/capture/writer.js');
const { createTraceContext } = await import('../../dist/core/trace-context.js');
const { createEventBatch } = await import('../../dist/core/event-batch.js');
const { eventCode } = await import('../../dist/core/events.js');
const { internString } = await import('../../dist/core/string-table.js');
const { threadOf } = await import('../../dist/core/thread-table.js');
const { storeBigInt } = await import('../../dist/core/words.js');
const { note } = await import('../../dist/core/diagnostics.js');

const WIDE = ['address', 'info1', 'info2', 'arg0', 'arg1'];
const TIMES = [0n, 1n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), -1n, 1_700_000_000_000_000_000n];

const FACTS = [
  'file version',
  'compression',
  'recorder',
  'cpus',
  'clock ns',
  'command',
  'tracer',
  'QEMU log',
  'simpletrace',
  'clock wall ns',
  'time offset ns',
  'cycles to ns',
];

function fillContext(context, random) {
  const { one, chance, below } = picker(random);
  const name = () => Buffer.from(one(NASTY_NAMES), 'latin1').toString(chance(0.5) ? 'utf8' : 'latin1');
  const maybe = (field, value) => {
    if (chance(0.5)) context[field] = value;
  };
  for (const field of ['arch', 'kernel', 'host', 'cpuModel', 'clock', 'markerName']) maybe(field, name());
  maybe('arch', one(['x86_64', 'aarch64', 's390x', 'riscv64', 'ppc64le', 'loongarch64', 'mips']));
  maybe('clock', one(['local', 'mono', 'x86-tsc', 'counter', 'realtime', 'boot', 'perf']));
  if (chance(0.1)) context.timeIsNs = false;
  maybe('timeResolutionNs', one([1, 1000, 1e9, 0.5, 1e300, 2 ** 53]));
  maybe('enabledEvents', new Set(['kvm_exit', name(), name()]));
  for (let i = below(4); i > 0; i--)
    context.facts.set(
      chance(0.5) ? name() : one(FACTS),
      chance(0.5) ? name() : String(one([0, -1, 2 ** 53, 1e21, Number.NaN])),
    );
  for (let i = below(3); i > 0; i--)
    note(
      context.diagnostics,
      name(),
      one(['info', 'suspect', 'data-loss']),
      name(),
      one([1, 0, -5, 2 ** 53 - 1]),
    );
  for (let i = below(6); i > 0; i--) {
    const thread = threadOf(context.threads, one([0, 1, 2, 100, 2 ** 31 - 1, -1, -(2 ** 31), 2 ** 53 - 1]));
    thread.comm = chance(0.3) ? `CPU ${one([0, 1, 99999])}/KVM` : name();
    thread.pid = one([-1, 0, 100, 2 ** 31 - 1, 2 ** 53 - 1, -7]);
    thread.vcpu = one([-1, 0, 1, 65535, 2 ** 31 - 1, 2 ** 53 - 1, -9]);
    thread.vm = chance(0.5) ? name() : null;
  }
  for (let i = below(4); i > 0; i--) eventCode(context.events, name());
  for (let i = 1 + below(4); i > 0; i--) internString(context.strings, name());
}

function fillRow(batch, row, time, context, random, mode) {
  const { one, chance, below } = picker(random);
  const bits = () =>
    one([0, 1, 2, 2, 3, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff, below(100), below(2 ** 32)]);
  storeBigInt(batch.time, 2 * row, time);
  batch.cpu[row] = chance(0.95) ? below(mode.cpus) : 0xffff;
  batch.tid[row] = chance(0.9) ? 100 + below(mode.threads) : one([0, -1, 2 ** 31 - 1, -(2 ** 31)]);
  batch.pid[row] = one([-1, 100, 2 ** 31 - 1]);
  batch.vcpu[row] = one([-1, below(4), 2 ** 31 - 1, 65536]);
  const common = [1, 2, 1, 2, 1, 2, 3, 4];
  const { length } = context.events.names;
  batch.event[row] = chance(mode.common) ? one(common) : chance(0.8) ? below(80) : below(length + 1);
  if (context.events.names[batch.event[row]] === undefined) batch.event[row] = 1;
  batch.isa[row] = mode.isa === 0 ? below(12) : mode.isa;
  batch.code[row] = mode.distinct ? row : bits();
  batch.intrInfo[row] = bits();
  batch.errorCode[row] = bits();
  for (const column of WIDE) {
    batch[column][2 * row] = bits();
    batch[column][2 * row + 1] = chance(0.5) ? 0 : bits();
  }
  batch.text[row] = chance(0.7) ? -1 : below(context.strings.values.length);
  batch.fields[row] = chance(0.7) ? 0xff7f & ~0x8000 : below(65536);
}

/** Writes one to a path. */
export function makeCapture(path, random) {
  const { one, chance, below } = picker(random);
  const context = createTraceContext();
  fillContext(context, random);
  const writer = createCaptureWriter(path, context, '1');
  const mode = {
    cpus: one([1, 2, 300, 65534]),
    threads: one([1, 2, 4, 1000]),
    isa: one([0, 1, 2, 2, 1, 3, 4, 5, 6]),
    common: one([0.1, 0.5, 0.9]),
    // More exit reasons than tables keep.
    distinct: chance(0.04),
  };
  const rows = mode.distinct ? 16_000 : one([0, 1, 2, 10, 100, 1000, 3000]);
  const batch = createEventBatch(Math.max(1, rows));
  const step = one([0n, 1n, 1000n, 10n ** 6n, 10n ** 12n, 2n ** 50n]);
  let time = chance(0.5) ? BigInt(below(2 ** 40)) : one(TIMES);
  for (let row = 0; row < rows; row++) {
    time = chance(0.01) ? one(TIMES) : time + (step > 0n ? BigInt(Math.floor(random() * Number(step))) : 0n);
    fillRow(batch, row, BigInt.asIntN(64, time), context, random, mode);
  }
  batch.length = rows;
  writer.write(batch);
  writer.finish();
}
