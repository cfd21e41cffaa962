/** A comparison as one CSV table: a row per reason and figure. */
import { csvLines } from '../csv.ts';
import type { CsvData, CsvValue } from '../csv-data.ts';
import type { DiffFigures, DiffModel } from './model.ts';

const FIGURES = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
const KEYS = ['before', 'after', 'change', 'changePct', 'low', 'high', 'verdict'] as const;

function data({ reasons, totals, busyTotals }: DiffModel): CsvData {
  const rows: CsvValue[][] = [];
  const add = (id: readonly CsvValue[], figures: DiffFigures) => {
    for (const figure of FIGURES) rows.push([...id, figure, ...KEYS.map((key) => figures[figure][key])]);
  };
  for (const row of reasons) add([row.isa, row.code, row.name, row.idle], row);
  add([null, null, 'all', null], totals);
  add([null, null, 'all but idle', null], busyTotals);
  return { headers: ['isa', 'code', 'name', 'idle', 'figure', ...KEYS], rows };
}

export const render = (model: DiffModel): AsyncIterable<string> => csvLines(data(model));
