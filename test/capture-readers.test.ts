/**
 * Other programs read capture.arrow: flechette and apache-arrow always; pyarrow, pandas, polars and DuckDB where
 * KVMTRACE_PYTHON (default python3) has them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { tableFromIPC } from '@uwdata/flechette';
import { tableFromIPC as arrowTable, RecordBatchReader } from 'apache-arrow';
import { Footer } from 'apache-arrow/ipc/metadata/file';
import { describe, expect, test } from 'vitest';
import { eventCode } from '../src/core/events.ts';
import { internString } from '../src/core/string-table.ts';
import { createTraceContext, type TraceContext } from '../src/core/trace-context.ts';
import { reasonName } from '../src/isa/reasons.ts';
import { userspaceExitName } from '../src/isa/userspace-exits.ts';
import { captureBytes, inTemporaryFolder, type Row, sampleRows, toBatch } from './support/capture.ts';

const GROUPS = 4;
const GROUP_ROWS = 1000;

/** A file whose dictionaries grow with every batch: by replacements, or with long texts by deltas. */
function growingCapture(textLength: number): { bytes: Buffer; rows: Row[]; context: TraceContext } {
  const context = createTraceContext();
  context.clock = 'mono';
  context.kernel = '6.1.0-52-amd64';
  const rows: Row[] = [];
  const batches = Array.from({ length: GROUPS }, (_, group) => {
    const groupRows = sampleRows(GROUP_ROWS, group * GROUP_ROWS);
    // The codes that the context will give to the names that it learns before this batch.
    groupRows[5] = { ...groupRows[5], event: 256 + group, text: group };
    rows.push(...groupRows);
    return toBatch(groupRows);
  });
  const bytes = captureBytes(context, batches, {
    flush: true,
    before(group) {
      eventCode(context.events, `late_event_${group}`);
      internString(context.strings, `text ${group} ${'é'.repeat(textLength)}`);
    },
  });
  return { bytes, rows, context };
}

/** What every reader has to see, from the rows and not from the writer. */
function expected(rows: readonly Row[], context: TraceContext) {
  const name = (code: number) => context.events.names[code];
  return rows.map((row) => ({
    time: row.time,
    cpu: row.cpu,
    tid: row.tid,
    pid: row.pid,
    vcpu: row.vcpu,
    event: name(row.event),
    isa: row.isa,
    code: row.code,
    reason:
      row.code === null
        ? null
        : name(row.event) === 'kvm_exit'
          ? reasonName(1, row.code)
          : name(row.event) === 'kvm_userspace_exit' && !(row.arg0 !== null && row.arg0 >> 63n)
            ? userspaceExitName(row.code)
            : null,
    address: row.address,
    info1: row.info1,
    info2: row.info2,
    intr_info: row.intrInfo,
    error_code: row.errorCode,
    arg0: row.arg0,
    arg1: row.arg1,
    text: row.text === null ? null : context.strings.values[row.text],
  }));
}

const small = growingCapture(1);
const large = growingCapture(200_000);

describe.each([
  ['replaced', small],
  ['delta', large],
])('a capture with %s dictionaries', (kind, { bytes, rows, context }) => {
  const want = expected(rows, context);

  type Name = keyof (typeof want)[0];
  const names = Object.keys(want[0]) as Name[];

  // flechette wants dictionaries before the rows, which only holds while they fit the room kept for them.
  test.skipIf(kind === 'delta')('flechette sees every value, null and name', () => {
    const table = tableFromIPC(bytes, { useBigInt: true });
    expect(table.numRows).toBe(rows.length);
    for (const name of names) {
      const column = table.getChild(name)!;
      const got = Array.from({ length: rows.length }, (_, i) => column.at(i));
      expect(got, name).toEqual(want.map((row) => row[name]));
    }
  });

  test('apache-arrow sees every value, null and name', () => {
    const table = arrowTable(bytes);
    expect(table.numRows).toBe(rows.length);
    for (const name of names) {
      const column = table.getChild(name)!;
      const got = Array.from({ length: rows.length }, (_, i) => column.get(i));
      expect(got, name).toEqual(want.map((row) => row[name]));
    }
  });

  test('the footer lists one block per dictionary, each with all values', () => {
    const length = bytes.readInt32LE(bytes.length - 10);
    const footer = Footer.decode(bytes.subarray(bytes.length - 10 - length, bytes.length - 10));
    expect(footer.numDictionaries).toBe(3);
    expect(footer.numRecordBatches).toBe(GROUPS);
    for (const block of [...footer.dictionaryBatches(), ...footer.recordBatches()]) {
      expect(bytes.readInt32LE(block.offset)).toBe(-1);
      expect((block.offset + block.metaDataLength) % 64).toBe(0);
    }
  });

  test('the stream before the footer has all rows and names as well', () => {
    const names: string[] = [];
    // apache-arrow reads the stream message by message; it takes deltas and replacements.
    for (const batch of RecordBatchReader.from(bytes.subarray(8)))
      for (const event of batch.getChild('event')!) names.push(event);
    expect(names).toEqual(want.map(({ event }) => event));
  });

  test('metadata says what it is', () => {
    const { metadata, fields } = arrowTable(bytes).schema;
    expect(metadata.get('kvmtrace.schema')).toBe('kvmtrace.capture');
    expect(metadata.get('kvmtrace.version')).toBe('1');
    expect(metadata.get('kvmtrace.tool')).toBe('kvmtrace 1.2.3');
    expect(JSON.parse(metadata.get('kvmtrace.host')!).kernel).toBe('6.1.0-52-amd64');
    const time = fields.find(({ name }) => name === 'time')!;
    expect(time.nullable).toBe(false);
    expect(Object.fromEntries(time.metadata)).toMatchObject({ unit: 'ns', clock: 'mono' });
  });
});

test('loss rows are listed in the metadata', () => {
  const lost: Row = { ...sampleRows(1)[0], event: 5, cpu: 3, arg0: 17n, time: -5n };
  const bytes = captureBytes(createTraceContext(), [toBatch([lost, { ...lost, cpu: null, arg0: null }])]);
  expect(JSON.parse(tableFromIPC(bytes).schema.metadata!.get('kvmtrace.losses')!)).toEqual({
    regions: 2,
    listed: [
      { time: '-5', cpu: 3, events: '17' },
      { time: '-5', cpu: null, events: null },
    ],
  });
});

const PYTHON = process.env.KVMTRACE_PYTHON ?? 'python3';
const MODULES = ['pyarrow', 'pandas', 'polars', 'duckdb'];
const missing = MODULES.filter((name) => spawnSync(PYTHON, ['-c', `import ${name}`]).status !== 0);
if (missing.length > 0)
  console.warn(`SKIPPED: ${PYTHON} has no ${missing.join(', ')}; set KVMTRACE_PYTHON to check these readers`);

/** Prints how often each (event, reason, text) occurs and the sum of addresses, by the reader's own means. */
const SCRIPTS: Record<string, string> = {
  pyarrow: `
import pyarrow.ipc as ipc
table = ipc.open_file(path).read_all()
table.validate(full=True)
rows = table.to_pylist()
count(((r['event'], r['reason'], r['text'], r['vcpu']) for r in rows), sum(r['address'] for r in rows))`,
  pandas: `
import pandas as pd, pyarrow.ipc as ipc
frame = ipc.open_file(path).read_all().to_pandas(types_mapper=pd.ArrowDtype)
keys = frame[['event', 'reason', 'text', 'vcpu']].astype(object)
clean = lambda value: None if pd.isna(value) else value
count((tuple(clean(v) for v in row) for row in keys.itertuples(index=False)), sum(int(a) for a in frame['address']))`,
  polars: `
import polars as pl
for mapped in (False, True):
    frame = pl.read_ipc(path, memory_map=mapped)
    rows = frame.with_columns(pl.col('event', 'reason', 'text').cast(pl.String)).to_dicts()
    result = (((r['event'], r['reason'], r['text'], r['vcpu']) for r in rows), sum(r['address'] for r in rows))
count(*result)`,
  duckdb: `
import duckdb, pyarrow.ipc as ipc
t = ipc.open_file(path).read_all()
query = 'select event::varchar, reason::varchar, "text"::varchar, vcpu, address from t'
rows = duckdb.sql(query).fetchall()
count((r[:4] for r in rows), sum(r[4] for r in rows))`,
};

describe.each(MODULES)('%s', (name) => {
  const needed = name === 'polars' ? ['polars'] : [...new Set(['pyarrow', name])];
  test.skipIf(needed.some((module) => missing.includes(module)))('reads the same', () => {
    for (const { bytes, rows, context } of [small, large]) {
      const output = inTemporaryFolder((folder) => {
        const file = path.join(folder, 'capture.arrow');
        writeFileSync(file, bytes);
        const script = `
import collections, json, sys
path = sys.argv[1]
def count(keys, total):
    counts = collections.Counter(json.dumps([k[0], k[1], k[2] and k[2][:6], k[3] if k[3] is None else int(k[3])]) for k in keys)
    print(json.dumps([dict(counts), str(total)]))
${SCRIPTS[name]}`;
        return execFileSync(PYTHON, ['-c', script, file], { encoding: 'utf8' });
      });
      const counts: Record<string, number> = {};
      for (const { event, reason, text, vcpu } of expected(rows, context)) {
        const key = JSON.stringify([event, reason, text?.slice(0, 6) ?? null, vcpu]).replaceAll(',', ', ');
        counts[key] = (counts[key] ?? 0) + 1;
      }
      const total = rows.reduce((sum, { address }) => sum + address!, 0n);
      expect(JSON.parse(output)).toEqual([counts, String(total)]);
    }
  });
});
