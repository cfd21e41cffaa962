/** The section on what exits were about: made-up recordings against brute force, and what its texts say. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EV_EOI, EV_PV_EOI } from '../src/core/events.ts';
import type { ExitFigures } from '../src/report/exit-figures.ts';
import {
  byKey,
  eventsOfExits,
  figuresOf,
  hex,
  isOrdered,
  madeExit,
  regionOf,
} from './support/made-up-exits.ts';
import { madeUp } from './support/made-up-report.ts';

const report = await madeUp(['detail']);
const ENABLED = ['kvm_entry', 'kvm_userspace_exit'];
const list = fc.array(madeExit, { minLength: 1, maxLength: 60 });
const NAMES: Readonly<Record<number, string>> = { 10: 'CPUID', 30: 'IO_INSTRUCTION', 48: 'EPT_VIOLATION' };

/** Rows by key, each with its figures and that it misses nothing. */
const rowsOf = <Row extends ExitFigures>(rows: readonly Row[], keyOf: (row: Row) => string) =>
  Object.fromEntries(
    rows.map((row) => {
      const { exits, paired, totalNs, minNs, avgNs, maxNs, escalated, restarts, errors, ...rest } = row;
      const { kernelNs, userspaceNs } = rest;
      const figures = { exits, paired, totalNs, minNs, avgNs, maxNs, escalated, restarts, errors };
      return [keyOf(row), { ...figures, kernelNs, userspaceNs }];
    }),
  );

type Placed = Pick<ExitFigures, 'exits'> & { readonly address: string };
const byWeight = (a: Placed, b: Placed) =>
  b.exits - a.exits || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0);

test('rows, pages and vectors are what brute force finds, the most frequent first', () => {
  fc.assert(
    fc.property(list, fc.boolean(), (exits, escalation) => {
      const given = escalation ? exits : exits.map((exit) => ({ ...exit, fate: 'kernel' as const }));
      const { detail } = report(eventsOfExits(given), escalation ? ENABLED : ['kvm_entry']);
      const expected = (groups: ReturnType<typeof byKey>) =>
        Object.fromEntries([...groups].map(([key, members]) => [key, figuresOf(members, escalation)]));
      const told = given.filter(({ about }) => about !== null);
      const { rows, pages, injected, known, withDetail, floor, hostVectors, eoi } = detail!;
      expect(known).toBe(told.length > 0);
      expect([detail!.exits, withDetail, floor]).toEqual([given.length, told.length, 0]);
      expect(
        rowsOf(rows, ({ isa, code, name, kind, direction, address }) =>
          [isa, code, name, kind, direction, address].join(),
        ),
      ).toEqual(
        expected(
          byKey(given, ({ reason, about }) => {
            if (about === null) return null;
            const { kind, direction, address } = about;
            const place = hex(kind === 'page-fault' ? regionOf(address) : address);
            return ['vmx', reason, NAMES[reason], kind, direction, place].join();
          }),
        ),
      );
      expect(rowsOf(pages, ({ address }) => address)).toEqual(
        expected(
          byKey(given, ({ about }) => (about?.kind === 'page-fault' ? hex(about.address & ~0xfffn) : null)),
        ),
      );
      const vectors = byKey(given, ({ vector }) => (vector === null ? null : String(vector)));
      if (vectors.size === 0) expect(injected).toBeNull();
      else expect(rowsOf(injected!, ({ vector }) => String(vector))).toEqual(expected(vectors));
      expect([hostVectors, eoi]).toEqual([null, null]);
      for (const table of [rows, pages]) {
        expect(isOrdered<Placed>(table, byWeight)).toBe(true);
        expect(new Set(table.map(({ mayMiss }) => mayMiss))).toEqual(new Set(table.length > 0 ? [0] : []));
      }
      expect(isOrdered(injected ?? [], (a, b) => b.exits - a.exits || a.vector - b.vector)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('acknowledged vectors are counted by number, whoever signals them, the most frequent first', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ event: fc.constantFrom(EV_EOI, EV_PV_EOI), vector: fc.constantFrom(0x30, 0xec, 0xfd) }),
        {
          minLength: 1,
          maxLength: 20,
        },
      ),
      (signals) => {
        const events = signals.map(({ event, vector }, i) => ({ time: i, event, address: 0, arg0: vector }));
        const { eoi } = report(events, null).detail!;
        const counts = [0x30, 0xec, 0xfd]
          .map((vector) => ({ vector, count: signals.filter((signal) => signal.vector === vector).length }))
          .filter(({ count }) => count > 0)
          .sort((a, b) => b.count - a.count);
        expect(eoi!.map(({ vector, count }) => ({ vector, count }))).toEqual(counts);
        expect(eoi!.find(({ vector }) => vector === 0xec)?.what ?? 'local timer').toBe('local timer');
      },
    ),
    { numRuns: 25 },
  );
});
