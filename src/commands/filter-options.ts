/** The options that choose what an analysis looks at, the same for every command that has them. */
import { type Command, Option } from 'commander';

const append = (value: string, list: string[] | undefined): string[] => [...(list ?? []), value];
/** An option that may be given several times: its value is the list of what was given. */
export const repeatable = (flags: string, text: string): Option => new Option(flags, text).argParser(append);

export function addFilters(command: Command): Command {
  return command
    .optionsGroup('Filters:')
    .addOption(repeatable('-p, --pid <list>', 'processes (VMs)'))
    .addOption(repeatable('-t, --tid <list>', 'threads'))
    .addOption(repeatable('-v, --vcpu <list>', 'vCPU numbers'))
    .addOption(repeatable('-C, --cpu <list>', 'host CPUs of the exits: 0-3,8'))
    .addOption(repeatable('--reason <names>', 'only these exit reasons: names of any tool, or numbers'))
    .addOption(repeatable('--exclude <names>', 'all but these'))
    .addOption(repeatable('--level <levels>', 'L1, L2 (all exits of nested guests), L2-reflected'))
    .option(
      '--from <time>',
      'from this moment on: seconds from the start, with a minus from the end, with @ on the clock',
    )
    .option('--to <time>', 'up to this moment: 2.5, 200ms, -1s, @8123.25');
}
