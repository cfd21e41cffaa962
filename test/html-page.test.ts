/** The HTML report as text: its policy, its size, and that no name can become markup. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { LARGEST_BYTES, render } from '../src/report/html/index.ts';
import type { ReportModel } from '../src/report/model.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import { renamed } from './fixtures/renamed-model.ts';
import { emptyModel, plausibleModel, reason, vcpu } from './fixtures/report-models.ts';
import { SAMPLES } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const options = { rows: 30 };
let real: ReportModel;
beforeAll(async () => {
  const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
  real = await runReport([join(SAMPLES, 'intel-perf/perf.data')], {
    ...defaultReportOptions(),
    ...slow,
    passes: sectionRequests(SECTION_IDS, slow),
  });
});

/** The page without its own style and script. */
const body = (html: string) => html.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '');
const tags = (html: string) => [...html.matchAll(/<(\/?[a-z0-9!]+)/gi)].map((match) => match[1]);
const between = (html: string, tag: string) =>
  [...html.matchAll(new RegExp(`<${tag}>((?:.|\\n)*?)</${tag}>`, 'g'))].map((match) => match[1]);

test('an empty list of slow exits says what it is a list of', () => {
  const empty = { ...real, slow: [] };
  const selection = { ...real.slowSelection, thanNs: 5_000_000, qualified: 0 };
  expect(render({ ...empty, slowSelection: selection }, options)).toContain(
    '<p>Exits longer than 5 ms, idle ones left out: None.</p>',
  );
});

describe('policy', () => {
  test('allows the style and the script that are there, and nothing else', () => {
    const html = render(real, options);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)![1];
    const [style, ...styles] = between(html, 'style');
    const [script, ...scripts] = between(html, 'script');
    expect([...styles, ...scripts]).toEqual([]);
    const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      `style-src ${hash(style)}`,
      `script-src ${hash(script)}`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(Buffer.byteLength(script)).toBeLessThanOrEqual(5120);
  });

  test('has nothing to forbid: no address, no inline style, no handler', () => {
    const html = body(render(real, options));
    expect(html).not.toMatch(/\s(?:src|srcset|action|style|on\w+|xlink:href|background)\s*=/i);
    for (const [, href] of html.matchAll(/href="([^"]*)"/g)) expect(href).toMatch(/^#[\w-]+$/);
    expect(html).not.toMatch(/url\(|@import|<link|<iframe|<img|<object|<embed/i);
  });

  test('every anchor and every label leads somewhere, no id is there twice', () => {
    const html = render(real, options);
    const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [
      ...[...html.matchAll(/href="#([^"]*)"/g)].map((match) => match[1]),
      ...[...html.matchAll(/aria-labelledby="([^"]*)"/g)].flatMap((match) => match[1].split(' ')),
    ];
    expect(targets.filter((target) => !ids.includes(target))).toEqual([]);
  });

  test('every picture has a name and a description', () => {
    const html = render(real, options);
    const pictures = [...html.matchAll(/<svg role="img"[\s\S]*?<\/desc>/g)].map((match) => match[0]);
    expect(pictures.length).toBeGreaterThan(5);
    for (const picture of pictures) {
      expect(/<title[^>]*>([^<]+)</.exec(picture)?.[1]).toBeTruthy();
      expect(/<desc[^>]*>([^<]+)</.exec(picture)?.[1]).toBeTruthy();
    }
  });
});

test('lines do not break between a number and its unit', () => {
  const notes = ['Took 12.5 ms in 3 steps.'];
  expect(render({ ...plausibleModel(), notes }, options)).toContain('Took 12.5&nbsp;ms in 3 steps.');
});

describe('names', () => {
  test('of any kind leave the markup as it is', () => {
    const harmless = render(
      renamed(real, (index) => `name${index}`),
      options,
    );
    const hostile = render(
      renamed(real, (index) => `${HOSTILE_NAMES[index % HOSTILE_NAMES.length]} ${index}`),
      options,
    );
    expect(tags(hostile)).toEqual(tags(harmless));
  });

  test.each(HOSTILE_NAMES.map((name) => [name.slice(0, 30), name]))('%j alone', (_, name) => {
    const at = (text: string) =>
      render(
        renamed(plausibleModel(), () => text),
        options,
      );
    expect(tags(at(name)).filter((tag) => /script|img|svg\/|style/i.test(tag))).toEqual(
      tags(at('x')).filter((tag) => /script|img|svg\/|style/i.test(tag)),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
    expect(at(name)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  });
});

describe('size', () => {
  test('stays below the limit however large the model is, and what is cut says so', () => {
    const html = render(
      {
        ...real,
        by: ['tid'],
        reasons: Array.from({ length: 20_000 }, (_, i) => reason({ name: `R${i}`, exits: i + 1, tid: i })),
        vcpus: Array.from({ length: 20_000 }, (_, i) => vcpu({ tid: i, vcpu: i })),
      },
      { rows: 0 },
    );
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_BYTES);
    expect(html).toMatch(/… and [\d,]+ more/);
  });

  test('stays below the limit with a thousand slow exits and their events', async () => {
    const slow = { slowLimit: 1000, thanNs: 0, includeIdle: true };
    const model = await runReport([join(SAMPLES, 'intel-perf/perf.data')], {
      ...defaultReportOptions(),
      ...slow,
      passes: sectionRequests(SECTION_IDS, slow),
    });
    expect(model.slow.length).toBe(1000);
    for (const rows of [0, 30, 1000])
      expect(Buffer.byteLength(render(model, { rows }))).toBeLessThanOrEqual(LARGEST_BYTES);
  });

  test('stays below the limit with thousands of vCPUs in the ledger', () => {
    const row = real.ledger!.rows[0];
    const rows = Array.from({ length: 5000 }, (_, i) => ({ ...row, tid: i, vcpu: i }));
    const html = render({ ...real, ledger: { ...real.ledger!, rows } }, { rows: 0 });
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_BYTES);
    expect(html).toMatch(/the 64 threads of \d+ with most time on the host, halts left out/);
  });

  test('names cannot make it larger', () => {
    const html = render(
      renamed(real, () => '<'.repeat(100_000)),
      options,
    );
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_BYTES);
  });

  test('the same model gives the same bytes', () => {
    expect(render(real, options)).toBe(render(structuredClone(real), options));
  });
});

describe('what is not known', () => {
  test('is said, never 0', () => {
    const html = body(render(emptyModel(), options));
    expect(html).toContain('no exits to report');
    expect(html).toContain('Not recorded: the capture has neither kvm_userspace_exit events nor QEMU data.');
    expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  test('no placeholder of the program reaches the page', () => {
    for (const model of [real, plausibleModel(), emptyModel()])
      expect(body(render(model, options))).not.toMatch(/>[^<]*(?:NaN|undefined|Infinity|\[object)[^<]*</);
  });
});
