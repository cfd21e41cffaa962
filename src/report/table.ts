/** Text tables for terminals: columns aligned by display width, narrowed until they fit. */

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Title where the column before it, which names this one as well, was dropped. */
  readonly titleAlone?: string;
  /** Spaces before the column (default 2; 1 ties a percentage to its number). */
  readonly gap?: number;
  /** Narrow terminals drop the column with the highest number first; without a number it always stays. */
  readonly drop?: number;
  /** Least width to which long values are cut; without it they are never cut. */
  readonly shrinkTo?: number;
  /** Long values lose their start: paths differ at the end. */
  readonly keepEnd?: boolean;
}

/** Columns that take no room: combining marks, joiners, variation selectors. */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** East Asian Wide and Fullwidth, and emoji (Unicode TR11, by blocks). */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{17000}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{1fa70}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** The fast path. */
const ASCII = /^[\u0020-\u007e]*$/;

function charWidth(char: string): number {
  return ASCII.test(char) ? 1 : ZERO_WIDTH.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
}

/** Columns of a terminal that a text without control characters takes. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** Cuts a text to `width` columns, with an ellipsis if something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let used = 0;
  let kept = '';
  for (const char of text) {
    used += charWidth(char);
    if (used > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

/** The same from the other side. */
function truncateStart(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let used = 0;
  let kept = '';
  for (const char of [...text].reverse()) {
    used += charWidth(char);
    if (used > width - 1) break;
    kept = char + kept;
  }
  return `…${kept}`;
}

function pad(text: string, width: number, align: Column['align']): string {
  const fill = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + fill : fill + text;
}

export interface TableLayout {
  /** Columns of the terminal or page. */
  readonly width: number;
  /** Spaces before each line. */
  readonly indent: number;
}

/**
 * Lines of a table, title line first, without trailing blanks. Too wide: long cells are cut down to
 * `shrinkTo`, then columns are dropped, the highest `drop` first.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  layout: TableLayout,
): string[] {
  let shown = columns.map((_, c) => c);
  const titleOf = (c: number) =>
    c > 0 && !shown.includes(c - 1) ? (columns[c].titleAlone ?? columns[c].title) : columns[c].title;
  const widths = columns.map((column) => displayWidth(column.title));
  for (const row of rows)
    for (let c = 0; c < columns.length; c++) widths[c] = Math.max(widths[c], displayWidth(row[c] ?? ''));
  const total = () =>
    shown.reduce((sum, c, i) => sum + widths[c] + (i ? (columns[c].gap ?? 2) : 0), layout.indent);
  const droppable = () =>
    shown.reduce<number | null>(
      (worst, c) =>
        columns[c].drop !== undefined && (worst === null || columns[c].drop > columns[worst].drop!)
          ? c
          : worst,
      null,
    );
  while (total() > layout.width) {
    const excess = total() - layout.width;
    const least = (c: number) => columns[c].shrinkTo ?? Number.POSITIVE_INFINITY;
    const room = shown.reduce((sum, c) => sum + Math.max(0, widths[c] - least(c)), 0);
    const victim = droppable();
    if (room < excess && victim !== null) {
      shown = shown.filter((c) => c !== victim);
      const next = victim + 1;
      if (shown.includes(next)) widths[next] = Math.max(widths[next], displayWidth(titleOf(next)));
      continue;
    }
    // With nothing left to drop, a cell that says little is better than a line that wraps.
    shrink(
      widths,
      shown,
      excess,
      room < excess
        ? (c) => (columns[c].shrinkTo === undefined ? least(c) : Math.min(least(c), LEAST_WIDTH))
        : least,
    );
    break;
  }
  const line = (cells: readonly string[]): string =>
    (
      ' '.repeat(layout.indent) +
      shown
        .map((c, i) => {
          const cut = columns[c].keepEnd ? truncateStart : truncate;
          const text = pad(cut(cells[c] ?? '', widths[c]), widths[c], columns[c].align);
          return (i ? ' '.repeat(columns[c].gap ?? 2) : '') + text;
        })
        .join('')
    ).trimEnd();
  return [line(columns.map((_, c) => titleOf(c))), ...rows.map(line)];
}

const LEAST_WIDTH = 8;

/** Takes `excess` columns from the widest cells that may be cut: those above `least`, never one without limit. */
function shrink(
  widths: number[],
  shown: readonly number[],
  excess: number,
  least: (c: number) => number,
): void {
  for (let left = excess; left > 0; left--) {
    let widest: number | null = null;
    for (const c of shown)
      if (widths[c] > least(c) && (widest === null || widths[c] > widths[widest])) widest = c;
    if (widest === null) return;
    widths[widest]--;
  }
}

/** A number and its unit stay on one line. */
export const UNIT_BLANK = /(?<=\d) (?=(?:ns|us|ms|s|bytes|[KMGT]iB)\b)/g;

/** Breaks a text into lines of at most `width` columns at blanks; words longer than a line are cut off. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replace(UNIT_BLANK, '\u00a0').split(' ')) {
    const cut = truncate(word.replaceAll('\u00a0', ' '), width);
    if (line === '') line = cut;
    else if (displayWidth(line) + 1 + displayWidth(cut) <= width) line += ` ${cut}`;
    else {
      lines.push(line);
      line = cut;
    }
  }
  return [...lines, line];
}
