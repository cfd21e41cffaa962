/** Errors as users see them: which file, where, what was expected, what to do; no stack unless asked for. */
import { TraceFormatError, UsageError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';

const FILE_ERRORS: Readonly<Record<string, { text: string; hint?: string } | undefined>> = {
  ENOENT: {
    text: 'no such file or directory',
    hint: 'Check the name; a relative one starts at the current directory.',
  },
  EACCES: {
    text: 'permission denied',
    hint: 'Recordings made by root are readable by root only: chmod or copy the file.',
  },
  EPERM: { text: 'operation not permitted' },
  EISDIR: { text: 'is a directory', hint: 'Name the recording inside it.' },
  ENOTDIR: { text: 'a part of the path is not a directory' },
  ENOSPC: {
    text: 'no space left on the device',
    hint: 'Free some, or choose another place with -o (or TMPDIR).',
  },
  EROFS: { text: 'read-only file system' },
  EMFILE: { text: 'too many open files', hint: 'Raise the limit: ulimit -n.' },
  EIO: { text: 'input/output error' },
};

/** The same for files that were to be written. */
const OUTPUT_ERRORS: typeof FILE_ERRORS = {
  ENOENT: { text: 'its folder does not exist', hint: 'Make the folder first, or choose another place.' },
  EACCES: { text: 'permission denied', hint: 'Choose a place where you may write.' },
  EISDIR: { text: 'is a directory', hint: 'Name a file inside it.' },
};

export interface ErrorText {
  /** Lines for stderr, the first without the program's name. */
  readonly lines: string[];
  readonly exitCode: number;
}

/** `input`: the only input, for errors that do not name theirs. */
export function describeError(error: unknown, input: string | null): ErrorText {
  const { path, code, isOutput } = error as { path?: string; code?: string; isOutput?: boolean };
  const file = plainText(path ?? input ?? '');
  const where = file === '' ? '' : `${file === '-' ? 'standard input' : file}: `;
  if (error instanceof UsageError) return withHint(plainText(error.message), error.hint);
  if (error instanceof TraceFormatError) {
    // Errors from before a format was found carry the input's name in the place of a format.
    const { format } = error.details;
    const text = format === (path ?? input) ? error.message.slice(format.length + 2) : error.message;
    return withHint(where + plainText(text), asSentence(error.details.hint));
  }
  const known = code === undefined ? undefined : (isOutput && OUTPUT_ERRORS[code]) || FILE_ERRORS[code];
  // What is not UTF-8 in a name has become U+FFFD on its way here.
  if (known && code === 'ENOENT' && !isOutput && file.includes('\ufffd'))
    return withHint(`${where}${known.text}`, 'A name that is not UTF-8 cannot be given: use - and < FILE.');
  if (known) return withHint(`${where}${known.text}`, known.hint);
  const text = plainText(error instanceof Error ? error.message : String(error));
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return withHint(`${where}${text}`, undefined);
  return withHint(
    `${where}internal error: ${text}`,
    'Please report it with the output of the same command and --debug.',
  );
}

/** As the other hints begin; a list of verdicts stays as it is, and nothing is put behind a command. */
function asSentence(hint: string | undefined): string | undefined {
  return hint?.includes('\n') ? hint : hint?.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

function withHint(message: string | string[], hint: string | undefined): ErrorText {
  const lines = typeof message === 'string' ? [message] : message;
  return {
    lines: [...lines, ...(hint ? hint.split('\n').map((line) => `  ${plainText(line)}`) : [])],
    exitCode: 2,
  };
}
