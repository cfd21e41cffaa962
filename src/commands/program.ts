/** The command line: commands, options and help. What a command does is loaded when it runs. */
import { Argument, Command, Option } from 'commander';
import { ALL_SECTIONS, SECTION_IDS, SECTION_WORDS } from '../report/section-ids.ts';
import { VIEW_NAMES } from '../report/views/view-names.ts';
import { addDiff } from './diff-command.ts';
import type { Environment } from './environment.ts';
import { addFilters, repeatable } from './filter-options.ts';
import { launchAnalysis } from './launch-analysis.ts';
import { terminalWidth } from './terminal.ts';
import { toolVersion } from './version.ts';

const REPORT_EXAMPLES = `Examples:
  kvmtrace report perf.data                          exits by reason, escalations, slow exits
  kvmtrace report trace.dat --by vcpu,reason         the same per vCPU
  kvmtrace report perf.data --than 200us --slow 50   exits longer than 200 us, without idle
  kvmtrace report perf.data --reason npf,io --from 2 --to 5
  kvmtrace report perf.data -o report.html           one file for a ticket, opens in any browser
  kvmtrace report perf.data -o report.html --redact  the same without names and addresses
  kvmtrace report perf.data -o report.md -o report.json
  kvmtrace report perf.data --fail-on 'p99>200us' --fail-on 'lost>0'
  zcat trace.txt.gz | kvmtrace report -
`;

const CONVERT_EXAMPLES = `Examples:
  kvmtrace convert perf.data -o capture.arrow
  kvmtrace convert trace.dat qemu-trace.bin -o capture.arrow   two recordings of one run
`;

const INFO_EXAMPLES = `Examples:
  kvmtrace info perf.data
  kvmtrace info capture.arrow --format json
`;

const TOP_EXAMPLES = `Examples:
  kvmtrace report perf.data                     what the exits cost
  kvmtrace diff before.arrow after.arrow        what changed
  kvmtrace info trace.dat                       what a file is
  kvmtrace convert perf.data -o capture.arrow   keep a recording for pandas, polars, DuckDB
`;

const TOP_NOTES = `
Reads perf.data, trace.dat, text of tracefs, trace-cmd and perf, QEMU traces, captures; - is stdin.
Exit status: 0 fine, 1 a --fail-on threshold was exceeded, 2 wrong use or unreadable input, 130 interrupted.`;

const SECTION_NOTES = `
Sections:
${SECTION_IDS.map((id) => `  ${id.padEnd(14)}${SECTION_WORDS[id]}`).join('\n')}
The first four are in every report, in brief, as far as the recording has them.`;

const RECORD_EXAMPLES = `Examples (as root, on the KVM host):
  kvmtrace record -d 10s                                all VMs for ten seconds, into capture.arrow
  kvmtrace record -p 4711 --detail -o web1.arrow        one VM, with ports, MMIO, MSRs; Ctrl-C stops
  kvmtrace record -o boot.arrow -- ./start-vm.sh        while a command runs
  kvmtrace record -d 10s --qmp /run/web1.qmp            QEMU's side too, switched on and off by QMP
  kvmtrace record -d 10s --keep-raw -o web1.arrow       web1.dat stays, for trace-cmd and KernelShark
  kvmtrace record --cleanup                             after a crash: is anything left?
`;

/** `finish` takes the exit status of the command that ran. */
export function createProgram(environment: Environment, finish: (status: number) => void): Command {
  const program = new Command('kvmtrace')
    .description('Analyses recorded KVM traces: exits, latencies, escalations to user space.')
    .version(`kvmtrace ${toolVersion()}`, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('before', TOP_EXAMPLES)
    .addHelpText('after', TOP_NOTES)
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .option('--debug', 'show where in the program an error came from')
    .configureHelp({
      showGlobalOptions: true,
      helpWidth: Math.min(100, terminalWidth(environment.stdout) ?? 100),
    })
    .configureOutput({
      writeOut: (text) => environment.stdout.write(text),
      writeErr: (text) => environment.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) =>
        write(
          text
            .replace(/^error: /, 'kvmtrace: ')
            .replace(/^\((Did you mean .*)\)$/m, '  $1')
            .replace(
              /command-argument value ('.*') is invalid for argument '(\w+)'\. Allowed choices are (.*)\./,
              '$1 is not a $2\n  Known: $3.',
            ),
        ),
    })
    .showHelpAfterError('  See: kvmtrace help')
    .exitOverride();
  addReport(program, environment, finish);
  addDiff(program, environment, finish);
  addInfo(program, environment, finish);
  addConvert(program, environment, finish);
  addRecord(program, environment, finish);
  addCompletion(program, environment, finish);
  for (const command of program.commands)
    command.showHelpAfterError(`  See: kvmtrace help ${command.name()}`);
  return program;
}

function addReport(program: Command, environment: Environment, finish: (status: number) => void): void {
  const command = program
    .command('report')
    .summary('analyse recordings')
    .description(
      'Exits by reason with their times, escalations to user space, slow exits, and how far to trust them.',
    )
    .argument('<inputs...>', 'recordings of one host in any format, - for standard input')
    .addHelpText('before', REPORT_EXAMPLES)
    .addHelpText('after', SECTION_NOTES)
    .optionsGroup('Output:')
    .addOption(
      repeatable(
        '-o, --output <file>',
        'write to a file, format by its ending; repeatable, - is standard output',
      ),
    )
    .option('--format <name>', 'text, html, md, json, csv, perfetto, folded (time) or folded-counts')
    .option(
      '--table <name>',
      'table of a CSV file: reasons, vcpus, slow, escalation, userspace, quality, events, histogram, or one of a section (a wrong name lists them)',
    )
    .option('--histogram', 'show log2 histograms of the times')
    .option('--rows <n>', 'most rows of a table in text, Markdown and HTML, 0 for all (default: 30)')
    .addOption(
      repeatable(
        '--fail-on <threshold>',
        "exit with status 1 when it holds: 'p99>200us', 'npf:count>=1000', '*:max>5ms', 'escalation>5%', 'lost>0'; repeatable",
      ),
    )
    .option('--redact', 'replace names, process numbers, addresses and paths by pseudonyms, in every format')
    .option('-q, --quiet', 'no progress')
    .optionsGroup('Analysis:')
    .addOption(
      repeatable(
        '--by <keys>',
        'a row per reason and vm, vcpu, tid, cpu, level, in any combination of these',
      ),
    )
    .addOption(repeatable('--section <names>', `further parts, listed below, or ${ALL_SECTIONS}`))
    .option('--view <name>', `the layout of another tool: ${VIEW_NAMES.join(', ')}`)
    .option(
      '-i, --interval <duration>',
      'a row per interval (1s, 500ms); with --view perf-prof a table per interval',
    )
    .option(
      '--heatmap <file>',
      'write a line EXIT_NS LATENCY_NS for each pair of exit and entry, as perf-prof --heatmap',
    )
    .option('--guest-symbols <file>', "the guest's System.map or /proc/kallsyms, for hot spots")
    .option('--than <duration>', 'slow list: only exits longer than this (200us, 1.5ms)')
    .option('--slow <n>', 'slow list: how many (default: 10; with --than 1000)')
    .option('--jobs <n>', 'threads to use; the result is the same with any number (default: all CPUs)')
    .option(
      '--with-idle',
      'idle exits (HLT, WFx) in the slow list and in --fail-on too, as --reason hlt does',
    )
    .option('--trace-events <file>', "QEMU's trace-events-all, for the arguments in its binary traces");
  addFilters(command)
    .optionsGroup('Other:')
    .action(async (inputs: string[]) => {
      launchAnalysis(inputs, command.opts().jobs);
      const { report } = await import('./report.ts');
      finish(await report(inputs, command.optsWithGlobals(), environment));
    });
}

function addInfo(program: Command, environment: Environment, finish: (status: number) => void): void {
  program
    .command('info')
    .summary('say what a file is')
    .description('Format, host, kernel, clock, time span, events, threads, losses and findings of one file.')
    .argument('<input>', 'a recording in any format, - for standard input')
    .addHelpText('before', INFO_EXAMPLES)
    .option('--format <name>', 'text or json')
    .option('--rows <n>', 'most rows of a table, 0 for all (default: 40)')
    .option('--trace-events <file>', "QEMU's trace-events-all, for the arguments in its binary traces")
    .option('-q, --quiet', 'no progress')
    .action(async (input: string, _options, command: Command) => {
      const { info } = await import('./info.ts');
      finish(await info(input, command.optsWithGlobals(), environment));
    });
}

function addConvert(program: Command, environment: Environment, finish: (status: number) => void): void {
  program
    .command('convert')
    .summary('make one Arrow capture of recordings')
    .description('Writes recordings of one host, merged in time, as one Arrow file.')
    .argument('<inputs...>', 'recordings of one host in any format, - for standard input')
    .addHelpText('before', CONVERT_EXAMPLES)
    .option('-o, --output <file>', 'the capture (.arrow), - for standard output')
    .option('--trace-events <file>', "QEMU's trace-events-all, for the arguments in its binary traces")
    .option('-q, --quiet', 'no progress, no summary')
    .action(async (inputs: string[], _options, command: Command) => {
      const { convert } = await import('./convert.ts');
      finish(await convert(inputs, command.optsWithGlobals(), environment));
    });
}

function addRecord(program: Command, environment: Environment, finish: (status: number) => void): void {
  program
    .command('record')
    .summary('record on this KVM host')
    .description(
      'Records exits, entries and exits to user space of all VMs, or of some, and writes them as a capture. Leaves nothing behind, whatever ends it.',
    )
    .argument('[command...]', 'record while this runs (after --)')
    .addHelpText('before', RECORD_EXAMPLES)
    .optionsGroup('What:')
    .option('--detail', 'also ports, MMIO, MSRs, CPUID, hypercalls, page faults, nesting, halt polling')
    .option('--sched', "also the scheduler's switches, wakeups and migrations")
    .addOption(repeatable('-e, --event <event>', 'also this tracepoint: kvm:kvm_pio; repeatable'))
    .addOption(repeatable('-p, --pid <list>', 'only these processes (VMs), with all their threads'))
    .addOption(repeatable('-t, --tid <list>', 'only these threads'))
    .addOption(repeatable('-C, --cpu <list>', 'only on these CPUs: 0-3,8'))
    .optionsGroup('How long and how much:')
    .option('-d, --duration <time>', 'stop after this time: 10, 10s, 500ms, 2m')
    .option('--max-size <size>', 'stop at this size of the raw file (default: 4G, or less as the disk has)')
    .option('-b, --buffer <size>', "kernel's buffer per CPU (default: 4M, less on large hosts)")
    .optionsGroup('Output:')
    .option('-o, --output <file>', 'the capture, a new file (default: capture.arrow)')
    .option('--keep-raw', "keep what was recorded, in the kernel's own format, beside the capture")
    .option('-q, --quiet', 'warnings and errors only')
    .optionsGroup("QEMU's side:")
    .option(
      '--qmp <socket>',
      "switch QEMU's kvm_run_exit on for the recording, collect its trace, switch back",
    )
    .option('--qemu-trace <file>', 'take the trace that QEMU writes to this file')
    .option('--trace-events <file>', "QEMU's trace-events-all, for the arguments in its binary traces")
    .optionsGroup('Other:')
    .option('--backend <name>', "tracefs, or perf: this host's perf record (default: tracefs)")
    .option('--text', 'record the text of trace_pipe')
    .option(
      '--helper <file>',
      'the program kvmtrace-capture (default: KVMTRACE_HELPER, or the one built here)',
    )
    .option('--cleanup', 'remove what a crash left in the kernel and beside -o')
    .action(async (words: string[], _options, command: Command) => {
      const { record } = await import('./record.ts');
      finish(await record(words, command.optsWithGlobals(), environment));
    });
}

const COMPLETION_EXAMPLES = `Examples:
  source <(kvmtrace completion bash)
  kvmtrace completion zsh > ~/.zfunc/_kvmtrace           a folder of $fpath
  kvmtrace completion fish > ~/.config/fish/completions/kvmtrace.fish
`;

function addCompletion(program: Command, environment: Environment, finish: (status: number) => void): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description(
      'Prints a script by which a shell completes commands, options, formats, sections and exit reasons.',
    )
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
    .addHelpText('before', COMPLETION_EXAMPLES)
    .action(async (shell: string) => {
      const { completion } = await import('./completion.ts');
      finish(await completion(shell, environment));
    });
}
