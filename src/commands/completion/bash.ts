/** Completion for bash (3.2 and later, bash-completion is not needed). */
import type { CommandNode, OptionNode } from '../command-tree.ts';

const flags = ({ short, long }: OptionNode) => (short === null ? [long] : [short, long]);

function optionCases(options: readonly OptionNode[]): string {
  return options
    .filter(({ value }) => value !== null)
    .map((option) => {
      const answer =
        option.words.length > 0
          ? `_kvmtrace_words "${option.words.join(' ')}"`
          : /file|socket/.test(option.value!)
            ? '_kvmtrace_files'
            : ':';
      return `        ${flags(option).join('|')}) ${answer}; return ;;`;
    })
    .join('\n');
}

function commandCase(command: CommandNode, shared: readonly OptionNode[]): string {
  const all = [...command.options, ...shared];
  const cases = optionCases(all);
  const words = command.arguments.flatMap((argument) => argument.words);
  return `    ${command.name})
      case "$prev" in
${cases}${cases && '\n'}        *) ;;
      esac
      case "$cur" in
        -*) _kvmtrace_words "${[...new Set(all.flatMap(flags))].join(' ')}" ;;
        *) ${words.length > 0 ? `_kvmtrace_words "${words.join(' ')}"` : '_kvmtrace_files'} ;;
      esac ;;`;
}

export function bashScript(root: CommandNode): string {
  const names = [...root.commands.map(({ name }) => name), 'help'];
  return `# Completion of kvmtrace for bash: source this, or save it as
# ~/.local/share/bash-completion/completions/kvmtrace

# Lists may hold commas: only the part behind the last one is completed.
_kvmtrace_words() {
  local last="\${cur##*,}" before=""
  [[ "$cur" == *,* ]] && before="\${cur%,*},"
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    [[ -n "$word" ]] && COMPREPLY+=("$before$word")
  done < <(compgen -W "$1" -- "$last")
}

_kvmtrace_files() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(compgen -f -- "$cur")
  compopt -o filenames 2>/dev/null
}

_kvmtrace() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" command="" word
  COMPREPLY=()
  # bash makes --format=md three words.
  [[ "$prev" == "=" ]] && prev="\${COMP_WORDS[COMP_CWORD - 2]}"
  [[ "$cur" == "=" ]] && cur=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      ${names.join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
    "")
      case "$prev" in
${optionCases(root.options)}
        *) ;;
      esac
      case "$cur" in
        -*) _kvmtrace_words "${root.options.flatMap(flags).join(' ')}" ;;
        *) _kvmtrace_words "${names.join(' ')}" ;;
      esac ;;
    help) _kvmtrace_words "${root.commands.map(({ name }) => name).join(' ')}" ;;
${root.commands
  .map((command) =>
    commandCase(
      command,
      root.options.filter(({ long }) => long !== '--version'),
    ),
  )
  .join('\n')}
  esac
}

complete -F _kvmtrace kvmtrace
`;
}
