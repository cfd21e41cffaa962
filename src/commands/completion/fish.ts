/** Completion for fish. */
import type { CommandNode, OptionNode } from '../command-tree.ts';

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function optionLine(condition: string, { short, long, value, text, words }: OptionNode): string {
  const parts = ['complete -c kvmtrace', `-n ${quoted(condition)}`];
  if (short !== null) parts.push(`-s ${short.slice(1)}`);
  parts.push(`-l ${long.slice(2)}`);
  if (words.length > 0) parts.push(`-x -a ${quoted(words.join(' '))}`);
  else if (value !== null) parts.push(/file|socket/.test(value) ? '-r -F' : '-x');
  return `${parts.join(' ')} -d ${quoted(text)}`;
}

export function fishScript(root: CommandNode): string {
  const none = '__fish_use_subcommand';
  const lines = [
    'complete -c kvmtrace -f',
    ...root.options.map((option) => optionLine(none, option)),
    ...root.commands.map(
      ({ name, summary }) => `complete -c kvmtrace -n ${quoted(none)} -a ${name} -d ${quoted(summary)}`,
    ),
    `complete -c kvmtrace -n ${quoted(none)} -a help -d 'show the help of a command'`,
    `complete -c kvmtrace -n '__fish_seen_subcommand_from help' -a ${quoted(root.commands.map(({ name }) => name).join(' '))}`,
  ];
  for (const command of root.commands) {
    const seen = `__fish_seen_subcommand_from ${command.name}`;
    const own = new Set(command.options.map(({ long }) => long));
    const shared = root.options.filter(({ long }) => !own.has(long) && long !== '--version');
    const words = command.arguments.flatMap((argument) => argument.words);
    if (words.length > 0) lines.push(`complete -c kvmtrace -n ${quoted(seen)} -a ${quoted(words.join(' '))}`);
    else if (command.arguments.length > 0) lines.push(`complete -c kvmtrace -n ${quoted(seen)} -F`);
    lines.push(...[...command.options, ...shared].map((option) => optionLine(seen, option)));
  }
  return `# Completion of kvmtrace for fish: save it as ~/.config/fish/completions/kvmtrace.fish\n${lines.join('\n')}\n`;
}
