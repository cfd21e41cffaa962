/** A command line without paths and numbers of processes: what remains tells which analysis was asked for. */
import type { Pseudonyms } from './redact.ts';

const IDS = new Set(['-p', '--pid', '-t', '--tid']);
/** Options whose values are words, numbers and durations of the program itself. */
const PLAIN = new Set(
  (
    '--format --table --rows --fail-on --by --section --than --slow --jobs -v --vcpu -C --cpu --reason --exclude --level --from --to --color ' +
    '-i --interval --width --steal'
  ).split(' '),
);
/** Options that take no value. */
const FLAGS = new Set('--histogram --with-idle --redact -q --quiet --debug -h --help'.split(' '));

function value(option: string, text: string, names: Pseudonyms): string {
  if (IDS.has(option)) return text.replace(/\d+/g, (digits) => String(names.id(Number(digits))));
  return PLAIN.has(option) ? names.text(text) : names.name('file', text);
}

/** `inputs` and the values of unknown options are taken for paths. */
export function redactCommand(
  command: readonly string[],
  inputs: readonly { readonly path: string }[],
  names: Pseudonyms,
): string[] {
  const paths = new Set(inputs.map(({ path }) => path));
  let option: string | null = null;
  return command.map((word, i) => {
    if (paths.has(word)) {
      option = null;
      return names.name('file', word);
    }
    if (option !== null) {
      const made: string = value(option, word, names);
      option = null;
      return made;
    }
    const long = /^(--[\w-]+)=(.*)$/s.exec(word);
    if (long) return `${long[1]}=${value(long[1], long[2], names)}`;
    const short = /^(-[a-zA-Z])(.+)$/s.exec(word);
    if (short && !word.startsWith('--'))
      return FLAGS.has(short[1]) ? word : short[1] + value(short[1], short[2], names);
    if (/^--?[\w-]+$/.test(word)) {
      option = FLAGS.has(word) ? null : word;
      return word;
    }
    // The name of the command itself.
    return i === 0 && /^[a-z]+$/.test(word) ? word : word === '-' ? word : names.name('file', word);
  });
}
