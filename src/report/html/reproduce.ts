/** How to get a page again: the command, versions and checksums. */

import { formatBytes } from '../../core/units.ts';
import type { ReportModel, ReproduceModel } from '../model.ts';
import { type Markup, markup } from './markup.ts';
import type { Part } from './part.ts';
import { htmlTable, textCell } from './table.ts';

/** A word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const code = (text: string): Markup => markup`<code>${text}</code>`;

/** The command line, where it may be shown, versions, and the inputs with their checksums. */
export function reproduction(reproduce: ReproduceModel | undefined, tool: ReportModel['tool']): Markup {
  const versions = Object.entries(reproduce?.versions ?? { [tool.name]: tool.version });
  return markup`${reproduce && reproduce.command.length > 0 && markup`<pre>kvmtrace ${reproduce.command.map(shellWord).join(' ')}</pre>`}
<p class="note">${versions.map(([name, version]) => `${name} ${version}`).join(', ')}</p>
${
  reproduce &&
  reproduce.inputs.length > 0 &&
  htmlTable(
    'Inputs',
    [
      { title: 'input', wrap: true },
      { title: 'SHA-256', wrap: true },
    ],
    reproduce.inputs.map(({ path, sha256 }) => [
      textCell(path),
      sha256 === null ? textCell('not known') : { content: code(sha256) },
    ]),
  )
}`;
}

export const reproducePart: Part = {
  id: 'reproduce',
  title: 'How to reproduce',
  render: ({ reproduce, capture, tool }: ReportModel) =>
    markup`${reproduction(reproduce, tool)}${
      capture.sources.some(({ sha256 }) => sha256 !== undefined) &&
      markup`<h3>Recordings in the capture</h3>${htmlTable(
        'Recordings in the capture',
        [
          { title: 'recording', wrap: true },
          { title: 'format' },
          { title: 'size', number: true },
          { title: 'SHA-256', wrap: true },
        ],
        capture.sources.map(({ path, format, bytes, sha256 }) => [
          textCell(path),
          textCell(format),
          textCell(formatBytes(bytes)),
          sha256 === undefined ? textCell(null) : { content: code(sha256) },
        ]),
      )}`
    }`,
};
