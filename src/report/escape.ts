/**
 * Untrusted text (core/plain-text.ts) as Markdown, CSV and JSON. Everything that a renderer did not write itself passes
 * through one of these functions or plainText.
 */
import { plainText, UNSAFE_CHARACTERS } from '../core/plain-text.ts';

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
  return JSON.stringify(text).replace(UNSAFE_CHARACTERS, (char) =>
    [...Array(char.length).keys()]
      .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
