/**
 * Names in a recording come from hosts and guests (thread names, VM names, markers, paths) and are untrusted
 * text. Everything that the program did not write itself is shown through plainText, or through what
 * report/escape.ts makes of it for other formats.
 */

/**
 * What may change the meaning of a terminal line or hide text: C0 and C1 controls, soft hyphen, invisible and
 * direction-changing format characters (Unicode TR36), line separators, tags, and halves of surrogate pairs.
 */
export const UNSAFE_CHARACTERS =
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
  return text.replace(UNSAFE_CHARACTERS, visible);
}
