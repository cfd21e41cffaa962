/**
 * Markup that cannot be injected into: the tag `markup` escapes every text that is put in, only other Markup goes in
 * as it is. Attribute values are always written in double quotes.
 */
import { plainText } from '../../core/plain-text.ts';
import { UNIT_BLANK } from '../table.ts';

/** A piece of HTML or SVG that this program wrote. */
export interface Markup {
  readonly markup: string;
}

export type Content = Markup | string | number | bigint | null | undefined | false | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Longest text of a recording that a page shows; the JSON report has all of it. */
const LONGEST = 300;

/** Text for an element or a quoted attribute. What could hide or reorder text becomes visible as in a terminal. */
function escapeText(text: string): string {
  return plainText(text).replace(/[&<>"']/g, (char) => ENTITIES[char]);
}

/** Text of a recording, cut to a length that cannot blow up the page. */
function shorten(text: string, longest: number = LONGEST): string {
  const chars = text.length > longest ? Array.from(text.slice(0, 2 * longest)) : null;
  return chars === null || chars.length <= longest ? text : `${chars.slice(0, longest).join('')}…`;
}

/** Longest sentence: our own words, which may quote the recording. */
const LONGEST_SENTENCE = 1500;

/** A sentence or paragraph of the model, not cut as early as a name. Lines do not break before units. */
export function prose(text: string): Markup {
  return { markup: escapeText(shorten(text, LONGEST_SENTENCE)).replace(UNIT_BLANK, '&nbsp;') };
}

/** Markup that stands in our own source: never text of a recording. */
export function trusted(text: string): Markup {
  return { markup: text };
}

export function contentText(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (typeof content === 'string') return escapeText(shorten(content));
  if (typeof content === 'number' || typeof content === 'bigint') return String(content);
  if ('markup' in content) return content.markup;
  return content.map(contentText).join('');
}

/** Template tag: `markup\`<td>${text}</td>\``. */
export function markup(strings: TemplateStringsArray, ...contents: Content[]): Markup {
  let text = strings[0];
  contents.forEach((content, i) => {
    text += contentText(content) + strings[i + 1];
  });
  return { markup: text };
}
