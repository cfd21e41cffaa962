// Results as an aligned text table and as a Markdown one, from the same cells.

/**
 * @typedef {object} Row
 * @property {string} kind
 * @property {number} sizeGb asked for
 * @property {number} bytes
 * @property {number} events
 * @property {string} command
 * @property {number | null} wallMs median
 * @property {number[]} runsMs
 * @property {number | null} cpuMs median
 * @property {number | null} peakKb largest of all runs
 * @property {number | null} anonKb largest of all runs
 * @property {number | null} ratio our report's time ÷ this command's time
 * @property {number | null} goal the ratio may not be larger
 * @property {string | null} problem why there is no number
 */

const COLUMNS = [
  'file',
  'size',
  'events',
  'command',
  'time',
  'spread',
  'CPU',
  'M ev/s',
  'peak',
  'anon',
  'kvmtrace ÷',
  'goal',
];
const LEFT = new Set([0, 3]);

/** @param {Row} row */
function cells(row) {
  const { wallMs } = row;
  if (wallMs === null) return [row.kind, size(row.bytes), count(row.events), row.command];
  return [
    row.kind,
    size(row.bytes),
    count(row.events),
    row.command,
    seconds(wallMs),
    `${seconds(Math.min(...row.runsMs))}–${seconds(Math.max(...row.runsMs))}`,
    row.cpuMs === null ? '' : seconds(row.cpuMs),
    row.events > 0 ? (row.events / wallMs / 1000).toFixed(1) : '',
    row.peakKb ? `${(row.peakKb / 1024).toFixed(0)} MB` : '',
    row.anonKb ? `${(row.anonKb / 1024).toFixed(0)} MB` : '',
    row.ratio === null ? '' : row.ratio.toFixed(2),
    row.goal === null ? '' : `≤ ${row.goal.toFixed(2)}`,
  ];
}

/** @param {Row[]} rows */
export function textTable(rows) {
  const body = rows.map(cells);
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...body.map((row) => row[i]?.length ?? 0)));
  const line = (/** @type {string[]} */ row) =>
    row
      .map((cell, i) => (LEFT.has(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  const lines = [line(COLUMNS), widths.map((width) => '-'.repeat(width)).join('  ')];
  body.forEach((row, i) => {
    if (i > 0 && (rows[i].kind !== rows[i - 1].kind || rows[i].bytes !== rows[i - 1].bytes)) lines.push('');
    lines.push(rows[i].wallMs === null ? `${line(row)}  (${rows[i].problem})` : line(row));
  });
  return `${lines.join('\n')}\n`;
}

/** @param {Row[]} rows */
export function markdownTable(rows) {
  const line = (/** @type {string[]} */ row) => `| ${row.join(' | ')} |`;
  const rule = COLUMNS.map((_, i) => (LEFT.has(i) ? '---' : '---:'));
  return `${[line(COLUMNS), line(rule), ...rows.map((row) => line(markdownCells(row)))].join('\n')}\n`;
}

/** @param {Row} row */
function markdownCells(row) {
  if (row.wallMs !== null) return cells(row);
  const known = [...cells(row), `(${row.problem?.replaceAll('|', '\\|')})`];
  return [...known, ...COLUMNS.slice(known.length).map(() => '')];
}

/** @param {number} bytes */
function size(bytes) {
  if (bytes === 0) return '';
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** @param {number} events */
function count(events) {
  if (events === 0) return '';
  return events >= 1e6 ? `${(events / 1e6).toFixed(2)} M` : `${(events / 1e3).toFixed(1)} k`;
}

/** @param {number} ms */
function seconds(ms) {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 1000).toFixed(2)} s`;
}
