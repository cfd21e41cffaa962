/**
 * Names in a recording come from hosts and guests (thread names, VM names, markers, paths) and are untrusted
 * text. Everything that a renderer did not write itself passes through one of these functions.
 */

/**
 * What may change the meaning of a terminal line or hide text: C0 and C1 controls, soft hyphen, invisible and
 * direction-changing format characters (Unicode TR36), line separators, tags, and halves of surrogate pairs.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;

function visible(char: string): string {
  const code = char.codePointAt(0)!;
  if (code === 10) return '\\n';
  if (code === 13) return '\\r';
  if (code === 9) return '\\t';
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}

/** One line of text that cannot steer a terminal or hide parts of itself. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, visible);
}

/**
 * A name as Markdown: a code span, because inside one neither HTML nor links nor @mentions nor #references
 * work, on GitHub, GitLab and Jira alike. In a table cell a pipe would end the cell, even in code.
 */
export function markdownName(text: string): string {
  const plain = plainText(text);
  if (plain.trim() === '') return plain === '' ? '' : '(blank)';
  const longest = Math.max(0, ...(plain.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = plain.startsWith('`') || plain.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${plain.replaceAll('|', '\\|')}${pad}${fence}`;
}

/**
 * A sentence as Markdown: shown as it is, without markup. An underscore between letters needs no backslash and
 * reads better without (kvm_exit). Mentions and bare links are broken up by an empty comment; only the
 * documentation of the kernel and of QEMU, which advice refers to, stays a link.
 */
export function markdownText(text: string): string {
  return plainText(text)
    .replace(/[\\`*[\]|~$#!]/g, '\\$&')
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(
      /@(?=\w)|(?<=\b(?:https?|ftp)):(?=\/\/(?!(?:docs\.kernel|www\.qemu)\.org\/))|(?<=\bwww)\.(?!qemu\.org\/)/gi,
      '$&<!-- -->',
    );
}

/**
 * A text cell of a CSV file. Spreadsheets run a cell that begins with one of these as a formula (OWASP, "CSV
 * injection"); the apostrophe makes it text. Quoting is the CSV writer's work.
 */
export function csvText(text: string): string {
  const plain = plainText(text);
  return /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(plain) ? `'${plain}` : plain;
}

/** JSON text in which no character can steer a terminal: the value stays the same. */
export function jsonString(text: string): string {
  return JSON.stringify(text).replace(UNSAFE, (char) =>
    [...Array(char.length).keys()]
      .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
