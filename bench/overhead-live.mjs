/**
 * What recording costs a guest, and what gets lost, on this machine's own kernel: the same events with nothing,
 * kvmtrace-capture, trace-cmd record and perf record in turn, at several buffer sizes. Prints a table of medians.
 *
 *   node bench/overhead-live.mjs [--rounds 5] [--seconds 2] [--buffers 8,64,1024] [--guests 1] [--hogs 0]
 *        [--clock mono] [--events kvm:kvm_userspace_exit,…] [--tools nothing,kvmtrace,trace-cmd,perf] [--helper FILE]
 *
 * Needs root, /dev/kvm, tracefs, qemu-system-x86_64, trace-cmd, perf. The guest (test/e2e/rom/kvmrom-busy.bin) does
 * nothing but exit to user space; its progress is read from its registers through QEMU's monitor, so nothing is
 * traced for counting. bench/overhead.sh measures the same in an emulated host, where other load changes nothing:
 * take shares from there; here other load on the machine is in every number, so many rounds and medians.
 *
 * Columns. guest: loops (nine exits to user space each) per second while recording, share of none. whole run: the
 * same from before the recorder starts until it has ended, with SECONDS of recording in it. CPU: user + system time of the recorder,
 * while recording per second, and from start to end. switches: context switches of the recorder per second.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const REPO = path.resolve(import.meta.dirname, '..');
const TRACEFS = '/sys/kernel/tracing';
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    buffers: { type: 'string', default: '8,64,1024' },
    guests: { type: 'string', default: '1' },
    hogs: { type: 'string', default: '0' },
    clock: { type: 'string', default: 'mono' },
    events: {
      type: 'string',
      default: 'kvm:kvm_userspace_exit,kvm:kvm_emulate_insn,kvm:kvm_pio,kvm:kvm_mmio',
    },
    tools: { type: 'string', default: 'nothing,kvmtrace,trace-cmd,perf' },
    helper: { type: 'string' },
  },
});
const seconds = Number(options.seconds);
const events = options.events.split(',').flatMap((name) => ['-e', name]);
const PERF_CLOCK = { mono: ['-k', 'CLOCK_MONOTONIC'], boot: ['-k', 'CLOCK_BOOTTIME'] };
const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-overhead-'));
const children = [];

function fail(text) {
  process.stderr.write(`overhead-live: ${text}\n`);
  process.exitCode = 77;
  throw new Error(text);
}

function buildHelper() {
  if (options.helper) return path.resolve(options.helper);
  const out = path.join(folder, 'kvmtrace-capture');
  const made = spawnSync('sh', ['-c', `\${CC:-cc} -O2 -static -pthread -o '${out}' *.c`], {
    cwd: path.join(REPO, 'native'),
  });
  if (made.status !== 0) fail(`the helper does not compile: ${made.stderr}`);
  return out;
}

/**
 * trace-cmd resets the function tracer even when it records events only, and gives up on kernels that refuse that:
 * there, empty files stand in for its switches, in a mount namespace of trace-cmd's own.
 */
const TRACE_CMD_NAMESPACE = `for f in /proc/sys/kernel/ftrace_enabled ${TRACEFS}/set_ftrace_filter ${TRACEFS}/set_ftrace_notrace ${TRACEFS}/set_ftrace_pid; do
  [ -e $f ] && echo 1 >$0-\${f##*/} && mount --bind $0-\${f##*/} $f; done; exec "$@"`;

function commandOf(tool, kb, file, helper) {
  const work = ['sleep', String(seconds + 0.8)];
  switch (tool) {
    case 'kvmtrace':
      return [
        helper,
        '-q',
        '--only',
        ...events,
        '--clock',
        options.clock,
        '-b',
        `${kb}K`,
        '-o',
        file,
        '--status-json=1',
        '--',
        ...work,
      ];
    case 'trace-cmd':
      return [
        'unshare',
        '-m',
        '--propagation',
        'private',
        'sh',
        '-c',
        TRACE_CMD_NAMESPACE,
        path.join(folder, 'switch'),
        'trace-cmd',
        'record',
        '-C',
        options.clock,
        '-b',
        String(kb),
        ...events,
        '-o',
        file,
        ...work,
      ];
    case 'perf':
      return [
        'perf',
        'record',
        '-a',
        ...(PERF_CLOCK[options.clock] ?? []),
        '-m',
        String(kb / 4),
        ...events,
        '-o',
        file,
        ...work,
      ];
    default:
      return work;
  }
}

function startGuest(number) {
  const socket = path.join(folder, `monitor${number}`);
  const child = spawn(
    'qemu-system-x86_64',
    [
      '-M',
      'pc,accel=kvm',
      '-m',
      '16',
      '-nodefaults',
      '-display',
      'none',
      '-device',
      'isa-debug-exit,iobase=0xf4,iosize=1',
      '-no-reboot',
      '-serial',
      'null',
      '-bios',
      path.join(REPO, 'test/e2e/rom/kvmrom-busy.bin'),
      '-monitor',
      `unix:${socket},server=on,wait=off`,
    ],
    { stdio: 'ignore' },
  );
  children.push(child);
  return { child, socket };
}

async function monitorOf(guest) {
  for (let tries = 0; !existsSync(guest.socket) && tries < 100; tries++) await sleep(50);
  const connection = connect(guest.socket).setEncoding('latin1');
  let text = '';
  let wake = () => {};
  connection.on('data', (data) => {
    text += data;
    wake();
  });
  connection.on('error', (error) => fail(`the guest is gone: ${error.message}`));
  return async (command) => {
    text = '';
    connection.write(`${command}\n`);
    const end = /\(qemu\) $/;
    while (!end.test(text) || !text.includes('\n'))
      await new Promise((resolve) => {
        wake = resolve;
      });
    return text;
  };
}

/** Loops that the guest has made: CX counts down from 65535, the byte at 0x520 the rounds of that. */
async function progress(ask) {
  const cx = /(?:RCX|ECX)=([0-9a-f]+)/.exec(await ask('info registers'))?.[1];
  const round = /0x([0-9a-f]{2})\s*$/m.exec((await ask('xp /1xb 0x520')).replace(/\(qemu\) $/, ''))?.[1];
  if (!cx || !round) fail("the guest's registers cannot be read");
  return (255 - Number.parseInt(round, 16)) * 65535 + 65535 - (Number.parseInt(cx, 16) & 0xffff);
}

function family(pid) {
  try {
    const own = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return [pid, ...own.flatMap(family)];
  } catch {
    return [];
  }
}

/** User and system time in ms (ticks of 10 ms), context switches: of all threads of a recorder. */
function usage(pid) {
  let ms = 0;
  let switches = 0;
  for (const member of family(pid)) {
    try {
      const stat = readFileSync(`/proc/${member}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ms += (Number(fields[11]) + Number(fields[12])) * 10;
      for (const task of readdirSync(`/proc/${member}/task`))
        for (const match of readFileSync(`/proc/${member}/task/${task}/status`, 'utf8').matchAll(
          /ctxt_switches:\s*(\d+)/g,
        ))
          switches += Number(match[1]);
    } catch {
      // it ended meanwhile
    }
  }
  return { ms, switches };
}

/** What the recorder's own file says, read by others than us: events kept and lost. */
function countFile(tool, file, said) {
  if (tool === 'kvmtrace') {
    const end = JSON.parse(said.split('\n').find((line) => line.includes('"type":"end"')));
    return { kept: end.events - end.left, lost: end.lost };
  }
  if (tool === 'trace-cmd') {
    const stat = spawnSync('trace-cmd', ['report', '--stat', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    }).stdout;
    let lost = 0;
    for (const match of stat.matchAll(/^(?:overrun|commit overrun|dropped events): (\d+)/gm))
      lost += Number(match[1]);
    return { kept: shellCount(`trace-cmd report -q '${file}' 2>/dev/null | grep -ac ': kvm_'`), lost };
  }
  return {
    kept: shellCount(`perf script -f -i '${file}' -F event 2>/dev/null | grep -ac kvm:`),
    lost: shellCount(
      `perf script -f -i '${file}' -F event --show-lost-events 2>/dev/null | awk '/PERF_RECORD_LOST / { n += $NF } END { print n + 0 }'`,
    ),
  };
}

function shellCount(command) {
  return Number(spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout.trim());
}

async function measure(tool, kb, helper, ask) {
  const file = path.join(folder, 'recording');
  const [name, ...args] = commandOf(tool, kb, file, helper);
  const p0 = await progress(ask);
  const t0 = performance.now();
  const child = spawn(
    'sh',
    ['-c', '"$@" & wait $!; r=$?; cat /proc/$$/stat >&2; exit $r', '-', name, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const recorder = () => family(child.pid).slice(1);
  const sleeps = (pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n';
  const running = () =>
    recorder().some((pid) => {
      try {
        return sleeps(pid);
      } catch {
        return false;
      }
    });
  for (let tries = 0; !running() && tries < 3000; tries++) await sleep(10);
  await sleep(300);
  const u1 = usage(child.pid);
  const p1 = await progress(ask);
  const t1 = performance.now();
  await sleep(seconds * 1000);
  const u2 = usage(child.pid);
  const p2 = await progress(ask);
  const t2 = performance.now();
  const status = await ended;
  const p3 = await progress(ask);
  const t3 = performance.now();
  if (status !== 0) fail(`${tool} failed: ${errors}${said}`);
  const stat = errors.slice(errors.lastIndexOf(')') + 2).split(' ');
  const span = (t2 - t1) / 1000;
  const row = {
    rate: (p2 - p1) / span,
    whole: p3 - p0,
    wholeSeconds: (t3 - t0) / 1000,
    cpu: (u2.ms - u1.ms) / span,
    total: (Number(stat[13]) + Number(stat[14])) * 10,
    switches: (u2.switches - u1.switches) / span,
    ...(tool === 'nothing' ? { kept: 0, lost: 0 } : countFile(tool, file, said)),
  };
  for (const left of readdirSync(folder)) if (left.startsWith('recording')) rmSync(path.join(folder, left));
  return row;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function main() {
  if (!existsSync('/dev/kvm') || !existsSync(`${TRACEFS}/instances`)) fail('needs /dev/kvm and tracefs');
  const helper = buildHelper();
  const guests = Array.from({ length: Number(options.guests) }, (_, number) => startGuest(number));
  for (let hog = 0; hog < Number(options.hogs); hog++)
    children.push(spawn('sh', ['-c', 'while :; do :; done']));
  const asks = await Promise.all(guests.map(monitorOf));
  const ask = asks[0];
  // after its first round the guest goes on with a timer running: from there on it is steady
  await ask('info status');
  await sleep(1000);
  while ((await progress(ask)) < 66_000) await sleep(200);
  await sleep(500);
  const tools = options.tools.split(',');
  const rows = new Map();
  for (let round = 0; round < Number(options.rounds); round++)
    for (const kb of options.buffers.split(',').map(Number))
      for (let i = 0; i < tools.length; i++) {
        const tool = tools[(i + round) % tools.length];
        const key = `${kb} ${tool}`;
        const row = await measure(tool, kb, helper, ask);
        rows.set(key, [...(rows.get(key) ?? []), row]);
      }
  print(rows, tools);
}

function print(rows, tools) {
  const lines = [
    '| buffer per CPU | recorder | guest, loops/s | of none | whole run, of none | CPU while recording | CPU, start to end | switches/s | events kept | lost |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const kb of options.buffers.split(',').map(Number)) {
    const of = (tool, key) => rows.get(`${kb} ${tool}`).map((row) => row[key]);
    const base = tools.includes('nothing') ? median(of('nothing', 'rate')) : Number.NaN;
    for (const [index, tool] of tools.entries()) {
      const label = index === 0 ? `${kb} KB` : '';
      const [rate, cpu, total, switches] = ['rate', 'cpu', 'total', 'switches'].map((key) =>
        median(of(tool, key)),
      );
      const whole = median(rows.get(`${kb} ${tool}`).map((row) => row.whole / row.wholeSeconds));
      const sum = (key) => of(tool, key).reduce((a, b) => a + b, 0);
      const percent = (value) => (base > 0 ? `${((100 * value) / base).toFixed(1)} %` : '-');
      const spread = of(tool, 'rate').map((value) => Math.abs(value - rate) / rate);
      const kept = sum('kept');
      const lost = sum('lost');
      const each = of(tool, 'lost').toSorted((a, b) => a - b);
      lines.push(
        tool === 'nothing'
          ? `| ${label} | none | ${rate.toFixed(0)} ±${(100 * median(spread)).toFixed(1)} % | 100 % | | | | | | |`
          : `| ${label} | ${tool} | ${rate.toFixed(0)} ±${(100 * median(spread)).toFixed(1)} % | ${percent(rate)} | ${percent(whole)} | ${cpu.toFixed(0)} ms/s | ${(total / 1000).toFixed(2)} s | ${switches.toFixed(0)} | ${kept} | ${lost} (${((100 * lost) / Math.max(1, kept + lost)).toFixed(2)} %; each ${each[0]} to ${each.at(-1)}, median ${median(each)}) |`,
      );
    }
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
