/** The options of `kvmtrace diff`. */
import type { Command } from 'commander';
import type { Environment } from './environment.ts';
import { addFilters, repeatable } from './filter-options.ts';

const EXAMPLES = `Examples:
  kvmtrace diff before.arrow after.arrow             what changed, the costliest change first
  kvmtrace diff old.data new.data --vcpu 0-3 -o diff.html
  kvmtrace diff old.data new.data --work 1000,1200   per request, of which one had 1,000, the other 1,200
  kvmtrace diff old.data new.data --fail-on 'cost>5%' --fail-on '*:p99>+20%'
`;

export function addDiff(program: Command, environment: Environment, finish: (status: number) => void): void {
  const command = program
    .command('diff')
    .summary('compare two recordings')
    .description(
      'What changed from one recording to another: cost, rates, times and escalation per exit reason, with intervals that tell changes from noise.',
    )
    .argument('<before>', 'a recording in any format')
    .argument('<after>', 'another one')
    .addHelpText('before', EXAMPLES)
    .optionsGroup('Output:')
    .addOption(
      repeatable(
        '-o, --output <file>',
        'write to a file, format by its ending; repeatable, - is standard output',
      ),
    )
    .option('--format <name>', 'text, html, md, json or csv')
    .option('--rows <n>', 'most rows of a table in text, Markdown and HTML, 0 for all (default: 30)')
    .addOption(
      repeatable(
        '--fail-on <change>',
        "exit with status 1 when a change beyond noise is that large: 'cost>5%', 'p99>+20%', 'npf:count>+10%', '*:p50>10%', 'escalation>1%'; repeatable",
      ),
    )
    .option('--redact', 'leave out names of machines and files, process and thread numbers')
    .option('-q, --quiet', 'no progress')
    .optionsGroup('Analysis:')
    .option(
      '--work <n[,m]>',
      'units of work (requests, boots) done before and after: costs and rates are per unit instead of per second',
    )
    .option('--jobs <n>', 'threads to use; the result is the same with any number (default: all CPUs)')
    .option('--trace-events <file>', "QEMU's trace-events-all, for the arguments in its binary traces");
  addFilters(command)
    .optionsGroup('Other:')
    .action(async (before: string, after: string) => {
      const { diff } = await import('./diff.ts');
      finish(await diff(before, after, command.optsWithGlobals(), environment));
    });
}
