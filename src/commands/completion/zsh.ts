/** Completion for zsh. */
import type { CommandNode, OptionNode } from '../command-tree.ts';

/** Text in single quotes of an _arguments specification: brackets and colons mean something there. */
const quoted = (text: string) => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");

function action(value: string, words: readonly string[], list: boolean): string {
  const name = quoted(value.replace(/[<>[\].]/g, ''));
  if (words.length === 0) return `:${name}:${/file|socket|input|before|after/.test(value) ? '_files' : ' '}`;
  const all = words.join(' ');
  return list ? `:${name}:_sequence compadd - ${all}` : `:${name}:(${all})`;
}

function optionSpec(option: OptionNode): string {
  const { short, long, value, text, repeatable, words } = option;
  const text_ = quoted(text);
  const takes = value === null ? '' : action(value, words, repeatable);
  const star = repeatable ? '*' : '';
  if (short === null) return `'${star}${long}${value === null ? '' : '='}[${text_}]${takes}'`;
  const others = repeatable ? "'*'" : `'(${short} ${long})'`;
  return `${others}{${short}${value === null ? '' : '+'},${long}${value === null ? '' : '='}}'[${text_}]${takes}'`;
}

function commandFunction(command: CommandNode, shared: readonly OptionNode[]): string {
  const own = new Set(command.options.map(({ long }) => long));
  const options = [...command.options, ...shared.filter(({ long }) => !own.has(long))];
  const args = command.arguments.map(({ name, variadic, words, text }) =>
    words.length > 0
      ? `'${variadic ? '*' : ''}:${quoted(text)}:(${words.join(' ')})'`
      : `'${variadic ? '*' : ''}:${quoted(name)}:_files'`,
  );
  return `_kvmtrace_${command.name}() {
  _arguments -s -S \\
    ${[...options.map(optionSpec), ...args].join(' \\\n    ')}
}`;
}

export function zshScript(root: CommandNode): string {
  const shared = root.options.filter(({ long }) => long !== '--version');
  return `#compdef kvmtrace
# Completion of kvmtrace for zsh: save it as _kvmtrace in a folder of $fpath.

${root.commands.map((command) => commandFunction(command, shared)).join('\n\n')}

_kvmtrace_commands() {
  local -a commands=(
${root.commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`).join('\n')}
    'help:show the help of a command'
  )
  _describe command commands
}

_kvmtrace() {
  local curcontext="$curcontext" state line
  _arguments -C \\
    ${root.options.map(optionSpec).join(' \\\n    ')} \\
    '1:command:_kvmtrace_commands' \\
    '*::argument:->rest'
  [[ $state == rest ]] || return
  case $line[1] in
${root.commands.map(({ name }) => `    ${name}) _kvmtrace_${name} ;;`).join('\n')}
    help) _kvmtrace_commands ;;
  esac
}

if [[ $funcstack[1] == _kvmtrace ]]; then
  _kvmtrace "$@"
else
  compdef _kvmtrace kvmtrace
fi
`;
}
