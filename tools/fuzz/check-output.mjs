/** What has to hold of every output, whatever the input was. */

const STEERING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/u;

export function checkOutput(text, format) {
  const steering = STEERING.exec(text);
  if (steering) {
    const around = text.slice(Math.max(0, steering.index - 60), steering.index + 60);
    throw new Error(
      `character ${text.charCodeAt(steering.index).toString(16)} in ${format}: ${JSON.stringify(around)}`,
    );
  }
  if (text === '') return;
  if (format === 'json' || format === 'perfetto') checkJson(text);
  if (format === 'html') checkHtml(text);
  if (format === 'csv') checkCsv(text);
  if (
    format !== 'perfetto' &&
    format !== 'html' &&
    /\b(?:NaN|undefined|\[object Object\]|-?Infinity)\b/.test(
      text.replace(/^.*(?:input|command|warning).*$/gm, ''),
    )
  ) {
    const found = /.*\b(?:NaN|undefined|\[object Object\]|-?Infinity)\b.*/.exec(text)[0];
    if (!/NaN/.test(found)) throw new Error(`no number: ${found.slice(0, 300)}`);
  }
}

function checkJson(text) {
  const model = JSON.parse(text);
  const { quality } = model;
  if (!quality?.exits && quality?.exits !== 0) return;
  const sum = quality.paired + quality.exitWithoutEntry + quality.openAtEnd + quality.invalidatedByLoss;
  if (quality.exits !== sum) throw new Error(`exits ${quality.exits} are not ${sum}`);
  if (!model.reasons) return;
  const reasons = model.reasons.reduce((total, reason) => total + reason.exits, 0);
  if (reasons !== quality.exits) throw new Error(`reasons have ${reasons} exits of ${quality.exits}`);
  walk(model, '');
}

/** Counts and times of what happened are not negative. */
const NOT_NEGATIVE =
  /(?:^|\.)(?:exits|paired|count|events|totalNs|minNs|avgNs|maxNs|p\d+Ns|idleNs|durationNs|latencyNs)$/;

function walk(value, path) {
  if (typeof value === 'number') {
    if (value < 0 && NOT_NEGATIVE.test(path)) throw new Error(`${path} is ${value}`);
  } else if (Array.isArray(value)) for (const item of value) walk(item, `${path}[]`);
  else if (value && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) walk(item, `${path}.${key}`);
}

/** Elements that the page's own code makes; a name that became one is none of them, or has another attribute. */
const ELEMENTS = new Set(
  (
    'html head meta title style script body header main section nav article aside footer details summary h1 h2 h3 h4 p a ul ol li ' +
    'table caption colgroup col thead tbody tfoot tr th td div span code pre b strong em i small sub sup br hr button input label ' +
    'select option form figure figcaption time abbr kbd noscript dl dt dd svg g path rect line polyline polygon circle text tspan ' +
    'defs desc use clippath lineargradient stop marker mark'
  ).split(' '),
);

function checkHtml(text) {
  const withoutCode = text.replace(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/g, '<$1></$1>');
  let scripts = 0;
  for (const match of withoutCode.matchAll(/<\/?([a-zA-Z!?][^\s>/]*)([^>]*)>/g)) {
    const name = match[1].toLowerCase();
    if (name === '!doctype' || name.startsWith('!--')) continue;
    if (!ELEMENTS.has(name)) throw new Error(`element ${match[0].slice(0, 100)}`);
    if (/\son\w+\s*=/i.test(match[2].replace(/"[^"]*"/g, '""')))
      throw new Error(`handler in ${match[0].slice(0, 100)}`);
    if (/javascript:/i.test(match[2])) throw new Error(`address in ${match[0].slice(0, 100)}`);
    if (name === 'script' && match[0][1] !== '/') scripts++;
  }
  if (scripts > 3 || /alert\(1\)<\/script>/.test(text)) throw new Error(`${scripts} scripts`);
}

/** Every row has as many cells as the first one, and no cell is a formula. */
function checkCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1).push(quoted ?? plain);
    if (end !== ',') rows.push([]);
  }
  const table = rows.filter((row) => row.length > 1 || row[0]);
  for (const row of table) {
    if (row.length !== table[0].length)
      throw new Error(`CSV row of ${row.length} cells, not ${table[0].length}: ${row.slice(0, 3)}`);
    for (const cell of row)
      if (/^[=+@]|^-(?![\d.])/.test(cell)) throw new Error(`formula in CSV: ${cell.slice(0, 100)}`);
  }
}

/** What of a report does not depend on the file that it was made of. */
const KEYS = [
  'selection',
  'vcpus',
  'by',
  'reasons',
  'totals',
  'busyTotals',
  'escalation',
  'slow',
  'userspace',
  'detail',
  'devices',
  'hotspots',
  'context',
  'ledger',
  'haltPolling',
  'nested',
  'intervals',
  'storms',
  'heatmap',
  'qemu',
];

/** null, or where two reports differ. */
export function compareReports(before, after) {
  const [a, b] = [before, after].map((text) => JSON.parse(text));
  for (const key of KEYS) {
    const problem = difference(a[key], b[key], key);
    if (problem) return problem;
  }
  for (const key of [
    'exits',
    'entries',
    'paired',
    'exitWithoutEntry',
    'entryWithoutExit',
    'openAtEnd',
    'invalidatedByLoss',
    'negativeLatency',
  ])
    if (a.quality[key] !== b.quality[key]) return `quality.${key}: ${a.quality[key]}, ${b.quality[key]}`;
  for (const key of [
    'arch',
    'isa',
    'kernel',
    'host',
    'cpuModel',
    'clock',
    'timeIsNs',
    'timeResolutionNs',
    'firstNs',
    'lastNs',
    'durationNs',
    'events',
    'lost',
    'facts',
  ]) {
    const problem = difference(a.capture[key], b.capture[key], `capture.${key}`);
    if (problem) return problem;
  }
  const warnings = (model) =>
    new Set(
      model.quality.warnings
        .filter(({ severity }) => severity !== 'info')
        .map(({ code, count }) => `${code} ${count}`),
    );
  const [x, y] = [warnings(a), warnings(b)];
  for (const code of x) if (!y.has(code)) return `warning ${code} is gone`;
  return null;
}

function difference(a, b, path) {
  if (JSON.stringify(a) === JSON.stringify(b)) return null;
  if (a && b && typeof a === 'object' && typeof b === 'object') {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = difference(a[key], b[key], `${path}.${key}`);
      if (found) return found;
    }
  }
  return `${path}: ${JSON.stringify(a)?.slice(0, 200)}, ${JSON.stringify(b)?.slice(0, 200)}`;
}
