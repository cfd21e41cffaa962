/** One table of the report as CSV (RFC 4180 quoting, line feeds, one header line), safe to open in a spreadsheet. */
import { Readable } from 'node:stream';
import { format } from 'fast-csv';
import type { CsvData, CsvValue } from './csv-data.ts';
import { csvData } from './csv-tables.ts';
import { csvText } from './escape.ts';
import type { ReportModel } from './model.ts';
import type { RenderOptions } from './renderers.ts';

/** Only text can be a formula: a number stays a number, sign and all. */
function csvCell(value: CsvValue): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? csvText(value) : String(value);
}

export function render(model: ReportModel, options: RenderOptions): AsyncGenerator<string> {
  return csvLines(csvData(model, options.table));
}

export async function* csvLines({ headers, rows }: CsvData): AsyncGenerator<string> {
  const lines = format({ headers: [...headers], alwaysWriteHeaders: true, includeEndRowDelimiter: true });
  const cells = function* () {
    for (const row of rows) yield row.map(csvCell);
  };
  Readable.from(cells()).pipe(lines);
  for await (const chunk of lines) yield String(chunk);
}
