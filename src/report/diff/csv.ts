/** A comparison as one CSV table: a row per reason and figure. */
import { csvLines } from '../csv.ts';
import type { CsvData, CsvValue } from '../csv-data.ts';
import type { DiffFigure, DiffFigures, DiffModel } from './model.ts';

const FIGURES = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
const KEYS = ['before', 'after', 'change', 'changePct', 'low', 'high', 'verdict'] as const;

function data({ reasons, totals, busyTotals, qemu }: DiffModel): CsvData {
  const rows: CsvValue[][] = [];
  const addFigure = (id: readonly CsvValue[], name: string, figure: DiffFigure) =>
    rows.push([...id, name, ...KEYS.map((key) => figure[key])]);
  const add = (id: readonly CsvValue[], figures: DiffFigures) => {
    for (const name of FIGURES) addFigure(id, name, figures[name]);
  };
  for (const row of reasons) add([row.isa, row.code, row.name, row.idle], row);
  add([null, null, 'all', null], totals);
  add([null, null, 'all but idle', null], busyTotals);
  for (const { code, name, costNs, rate } of qemu) {
    addFigure(['qemu', code, name, null], 'costNs', costNs);
    addFigure(['qemu', code, name, null], 'rate', rate);
  }
  return { headers: ['isa', 'code', 'name', 'idle', 'figure', ...KEYS], rows };
}

export const render = (model: DiffModel): AsyncIterable<string> => csvLines(data(model));
