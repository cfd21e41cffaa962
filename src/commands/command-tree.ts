/** The command line as plain data, read from the commands themselves: what completions, man page and docs are made of. */
import type { Command, Option } from 'commander';

export interface OptionNode {
  readonly short: string | null;
  readonly long: string;
  /** `<file>`, `<names>`; null: takes no value. */
  readonly value: string | null;
  readonly text: string;
  /** Heading in the help. */
  readonly group: string;
  readonly repeatable: boolean;
  /** Words that it takes; [] where anything else goes. */
  readonly words: readonly string[];
}

export interface ArgumentNode {
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly text: string;
  readonly words: readonly string[];
}

export interface CommandNode {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  /** What stands before the usage in the help. */
  readonly examples: string;
  readonly notes: string;
  readonly arguments: readonly ArgumentNode[];
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
}

/** Words of an option that the option itself does not know, by `command --option` or `--option`. */
export type KnownWords = Readonly<Record<string, readonly string[]>>;

export function commandTree(command: Command, words: KnownWords = {}): CommandNode {
  const help = command.createHelp();
  const [examples, notes] = textAround(command);
  const option = (item: Option): OptionNode => ({
    short: item.short ?? null,
    long: item.long!,
    value: /<.*>|\[.*\]/.exec(item.flags)?.[0] ?? null,
    text: item.description,
    group: (item.helpGroupHeading ?? 'Options:').replace(/:$/, ''),
    repeatable: item.parseArg !== undefined,
    words: item.argChoices ?? words[`${command.name()} ${item.long}`] ?? words[item.long!] ?? [],
  });
  return {
    name: command.name(),
    summary: command.summary() || command.description(),
    description: command.description(),
    usage: help.commandUsage(command),
    examples,
    notes,
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      required: argument.required,
      variadic: argument.variadic,
      text: argument.description,
      words: argument.argChoices ?? [],
    })),
    options: help.visibleOptions(command).map(option),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => commandTree(child, words)),
  };
}

/** What addHelpText put before and after the help. */
function textAround(command: Command): [string, string] {
  let shown = '';
  const output = command.configureOutput();
  const kept = { ...output };
  command.configureOutput({ ...kept, writeOut: (text) => (shown += text) });
  command.outputHelp();
  command.configureOutput(kept);
  const own = command.helpInformation();
  const at = shown.indexOf(own);
  return at < 0 ? ['', ''] : [shown.slice(0, at).trim(), shown.slice(at + own.length).trim()];
}
