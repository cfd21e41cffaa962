/** Further sections of the model, as text and Markdown show them: sentences and tables. */
import type { ReportModel } from '../model.ts';
import { type Block, SECTIONS, shownBlocks } from '../sections.ts';
import { type Markup, markup, prose } from './markup.ts';
import type { PartOptions } from './part.ts';
import { sharedTable } from './table.ts';

function renderBlock({ title, sentences, table }: Block, name: string): Markup {
  return markup`${title !== null && markup`<h3>${title}</h3>`}${sentences.map((text) => markup`<p>${prose(text)}</p>`)}${table !== null && sharedTable(title ?? name, table)}`;
}

/** Blocks of one section in full. */
export function sectionBlocks(model: ReportModel, id: string, { rows }: PartOptions): Markup | null {
  const section = SECTIONS.find((candidate) => candidate.id === id);
  const blocks = section ? shownBlocks(section, model, rows, true) : [];
  return blocks.length === 0 ? null : markup`${blocks.map((block) => renderBlock(block, id))}`;
}

/** All sections but those that have a part of their own. */
export function otherSections(
  model: ReportModel,
  shown: readonly string[],
  options: PartOptions,
): Markup | null {
  const parts = SECTIONS.filter(({ id }) => !shown.includes(id)).map(({ id }) =>
    sectionBlocks(model, id, options),
  );
  return parts.every((part) => part === null) ? null : markup`${parts}`;
}
