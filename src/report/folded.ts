/**
 * Folded stacks for flame graphs (flamegraph.pl, inferno, speedscope): `reason;kernel;address count`, one line each.
 * The figure is the time from exit to entry in ns, or with folded-counts (and where there is no time) the number of
 * exits. Idle exits are left out unless --with-idle asks for them: they would dwarf everything.
 */
import { plainText } from '../core/plain-text.ts';
import type { ReportModel } from './model.ts';

/** Frames are separated by semicolons, and the figure by the last blank. */
function frame(text: string): string {
  return plainText(text).replaceAll(';', ':').trim() || '(blank)';
}

interface Figures {
  readonly exits: number;
  readonly totalNs: number | bigint | null;
}

/** Reason → exits and time, groups of --by taken together. */
function reasons(model: ReportModel): Map<string, { label: string; exits: number; ns: bigint }> {
  const idle = model.slowSelection.includesIdle;
  const found = new Map<string, { label: string; exits: number; ns: bigint }>();
  for (const row of model.reasons) {
    if (row.idle && !idle) continue;
    const key = `${row.isa} ${row.code} ${row.name}`;
    const entry = found.get(key) ?? { label: row.name, exits: 0, ns: 0n };
    found.set(key, {
      ...entry,
      exits: entry.exits + row.exits,
      ns: entry.ns + BigInt(row.totalNs ?? 0),
    });
  }
  return found;
}

function* lines(model: ReportModel, counts: boolean): Generator<string> {
  const figure = (row: Figures) => (counts ? BigInt(row.exits) : BigInt(row.totalNs ?? 0));
  const rows = new Map<string, string[]>();
  const listed = new Map<string, bigint>();
  for (const row of model.hotspots?.rows ?? []) {
    const key = `${row.isa} ${row.code} ${row.name}`;
    const value = figure(row);
    listed.set(key, (listed.get(key) ?? 0n) + value);
    if (value === 0n) continue;
    const place = row.symbol?.replace(/\+0x[0-9a-f]+$/, '') ?? row.rip;
    rows.set(key, [...(rows.get(key) ?? []), `${frame(row.half)};${frame(place)} ${value}`]);
  }
  for (const [key, reason] of reasons(model)) {
    for (const line of rows.get(key) ?? []) yield `${frame(reason.label)};${line}\n`;
    // Addresses beyond the list, or exits without one.
    const rest = (counts ? BigInt(reason.exits) : reason.ns) - (listed.get(key) ?? 0n);
    if (rest > 0n) yield `${frame(reason.label)}${rows.has(key) ? ';other' : ''} ${rest}\n`;
  }
}

export const renderCounts = (model: ReportModel): Iterable<string> => lines(model, true);

export const render = (model: ReportModel): Iterable<string> => lines(model, model.totals.totalNs === null);
