/** The HTML report in a real browser: how it is laid out, that it asks for nothing, and that its numbers are the JSON's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { render } from '../src/report/html/index.ts';
import { renderJson } from '../src/report/json.ts';
import type { ReportModel } from '../src/report/model.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import { renamed } from './fixtures/renamed-model.ts';
import { emptyModel } from './fixtures/report-models.ts';
import { CHROMIUM, type OpenPage, startBrowser, type TestBrowser } from './support/browser.ts';
import { SAMPLES } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

// What runs in the page is typed there, not here: the tests' own types know no DOM.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Dom = any;
declare const document: Dom, getComputedStyle: Dom, innerWidth: number, dispatchEvent: Dom;

if (CHROMIUM === null)
  console.warn('SKIPPED: HTML reports in a browser: no chromium here (apt-get install chromium)');

describe.skipIf(CHROMIUM === null)('in Chromium', () => {
  let folder: string;
  let browser: TestBrowser;
  let model: ReportModel;
  const paths: Record<string, string> = {};

  const write = (name: string, report: ReportModel) => {
    paths[name] = join(folder, `${name}.html`);
    writeFileSync(paths[name], render(report, { rows: 30 }));
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kvmtrace-html-'));
    browser = await startBrowser();
    const slow = { slowLimit: 10, thanNs: 0, includeIdle: false };
    const report = (sample: string) =>
      runReport([join(SAMPLES, sample)], {
        ...defaultReportOptions(),
        ...slow,
        passes: sectionRequests(SECTION_IDS, slow),
      });
    model = await report('intel-perf/perf.data');
    write('intel', model);
    write('amd', await report('amd-trace-dat-date/trace.dat'));
    write('lossy', await report('arm64-trace-pipe-lost/trace_pipe.txt.gz'));
    write('empty', emptyModel());
    write(
      'hostile',
      renamed(model, (index) => `${HOSTILE_NAMES[index % HOSTILE_NAMES.length]} ${index}`),
    );
    write(
      'harmless',
      renamed(model, (index) => `name${index}`),
    );
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Elements that are outside of the page to the right or left and not inside something that scrolls. */
  const outside = ({ page }: OpenPage) =>
    page.evaluate(() =>
      [...document.querySelectorAll('body *')]
        .filter((element) => !element.closest('.scroll') && element.tagName !== 'title')
        .map((element) => ({ element, box: element.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.right > innerWidth + 1 || box.left < -1))
        .map(({ element, box }) => `${element.outerHTML.slice(0, 80)} ${box.left}–${box.right}`),
    );

  test.each([400, 800, 1400])('nothing sticks out at %d px', { timeout: 60_000 }, async (width) => {
    for (const name of ['intel', 'amd', 'lossy', 'empty', 'hostile']) {
      const open = await browser.open(paths[name], { width });
      const scroll = await open.page.evaluate(() => document.documentElement.scrollWidth);
      expect(scroll, name).toBeLessThanOrEqual(width);
      expect(await outside(open), name).toEqual([]);
    }
  });

  test('labels of a chart do not lie over each other', async () => {
    for (const width of [400, 1400]) {
      const { page } = await browser.open(paths.intel, { width });
      const overlapping = await page.evaluate(() => {
        const found: string[] = [];
        for (const chart of document.querySelectorAll('.chart')) {
          const labels = [...chart.querySelectorAll('text')]
            .map((text) => ({ text: text.textContent ?? '', box: text.getBoundingClientRect() }))
            .filter(({ box }) => box.width > 0);
          labels.forEach((a, i) => {
            for (const b of labels.slice(i + 1))
              if (
                a.box.left < b.box.right - 2 &&
                b.box.left < a.box.right - 2 &&
                a.box.top < b.box.bottom - 4 &&
                b.box.top < a.box.bottom - 4
              )
                found.push(`${a.text} / ${b.text}`);
          });
        }
        return found;
      });
      expect(overlapping, `${width} px`).toEqual([]);
    }
  });

  test('asks for nothing but itself, and breaks no rule of its policy', async () => {
    for (const name of Object.keys(paths)) {
      const { page, requests, messages } = await browser.open(paths[name]);
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      expect(requests, name).toEqual([`file://${paths[name]}`]);
      expect(messages, name).toEqual([]);
    }
  });

  test('the policy holds: script, style and pictures put in later do nothing', async () => {
    const { page, sent, messages } = await browser.open(paths.intel);
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'document.title = "ran"';
      const image = document.createElement('img');
      image.src = 'http://evil.example/x.png';
      const style = document.createElement('style');
      style.textContent = 'body{display:none}';
      document.body.append(script, image, style);
    });
    expect(await page.title()).not.toBe('ran');
    expect(await page.evaluate(() => getComputedStyle(document.body).display)).toBe('block');
    expect(sent).toEqual([`file://${paths.intel}`]);
    expect(messages.filter((text) => /Content Security Policy/.test(text)).length).toBe(3);
  });

  test('names of any kind give the same elements, and no dialog', async () => {
    const elements = async (name: string) => {
      const { page, messages } = await browser.open(paths[name]);
      expect(messages).toEqual([]);
      return page.evaluate(() =>
        [...document.querySelectorAll('*')].map(
          (element) => `${element.tagName} ${element.getAttributeNames().join(' ')}`,
        ),
      );
    };
    expect(await elements('hostile')).toEqual(await elements('harmless'));
  });

  test('numbers of the table of reasons are the JSON report’s', async () => {
    const json = JSON.parse([...renderJson(model)].join(''));
    const { page } = await browser.open(paths.intel);
    const rows = await page.$$eval('#reasons tbody tr', (lines) =>
      lines.map((line) => [...line.cells].map((cell) => cell.dataset.v ?? cell.textContent)),
    );
    expect(rows.map(([name, ...values]) => [name!.replace(/ \*$/, ''), ...values.map(Number)])).toEqual(
      json.reasons
        .slice(0, 30)
        .map((row: Record<string, number>) => [
          row.name,
          row.exits,
          row.exitsPct,
          row.totalNs,
          row.timePct,
          row.avgNs,
          row.p50Ns,
          row.p99Ns,
          row.maxNs,
          (100 * row.escalated) / row.exits,
        ]),
    );
    const total = await page.$$eval('#reasons tfoot tr:first-child td', (cells) =>
      cells.map((cell) => cell.dataset.v),
    );
    expect(total.slice(1, 4)).toEqual(
      [json.totals.exits, json.totals.exitsPct, json.totals.totalNs].map(String),
    );
  });

  test('a click on a title sorts by it, the largest first, and back', async () => {
    const { page } = await browser.open(paths.intel);
    const column = () =>
      page.$$eval('#reasons tbody tr', (lines) => lines.map((line) => Number(line.cells[8].dataset.v)));
    const maxima = model.reasons.slice(0, 30).map((row) => row.maxNs!);
    const title = page.locator('#reasons th').nth(8).locator('button');
    await title.click();
    expect(await column()).toEqual([...maxima].sort((a, b) => b - a));
    expect(await page.locator('#reasons th').nth(8).getAttribute('aria-sort')).toBe('descending');
    await title.press('Enter');
    expect(await column()).toEqual([...maxima].sort((a, b) => a - b));
    await page.locator('#reasons th').nth(0).locator('button').click();
    const names = await page.$$eval('#reasons tbody tr', (lines) =>
      lines.map((line) => line.cells[0].textContent!.toLowerCase()),
    );
    expect(names).toEqual([...names].sort());
  });

  test('can be read with scripts off: same text, no dead buttons', async () => {
    const text = async (scripts: boolean) => {
      const { page } = await browser.open(paths.intel, { scripts });
      return {
        text: await page.locator('main').textContent(),
        buttons: await page.locator('button').count(),
      };
    };
    const without = await text(false);
    expect(without.buttons).toBe(0);
    expect(without.text).toBe((await text(true)).text);
  });

  test('dark: light text on a dark page, with enough contrast', async () => {
    const contrast = async (dark: boolean) => {
      const { page } = await browser.open(paths.intel, { dark });
      return page.evaluate(() => {
        const luminance = (color: string) => {
          const [r, g, b] = color
            .match(/[\d.]+/g)!
            .slice(0, 3)
            .map((text) => Number(text) / 255)
            .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const page = luminance(getComputedStyle(document.body).backgroundColor);
        const ratio = (color: string) => {
          const [high, low] = [luminance(color), page].sort((a, b) => b - a);
          return (high + 0.05) / (low + 0.05);
        };
        const texts = ['body', '.lead', 'th', '.trust strong', '.chart text', 'summary', 'figcaption'];
        return {
          page,
          ratios: texts.map((selector) => {
            const element = document.querySelector(selector)!;
            const style = getComputedStyle(element);
            return ratio(element.closest('svg') ? style.fill : style.color);
          }),
        };
      });
    };
    const [light, dark] = [await contrast(false), await contrast(true)];
    expect(light.page).toBeGreaterThan(0.9);
    expect(dark.page).toBeLessThan(0.05);
    // WCAG 2 AA for text.
    for (const ratio of [...light.ratios, ...dark.ratios]) expect(ratio).toBeGreaterThanOrEqual(4.5);
  });

  test('prints: all of it, also what is folded away on screen', async () => {
    const { page } = await browser.open(paths.intel, { dark: true });
    const file = join(folder, 'report.pdf');
    await page.pdf({ path: file, format: 'A4' });
    const pdf = readFileSync(file);
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    expect((pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length).toBeGreaterThan(2);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
      'rgb(255, 255, 255)',
    );
    const open = await page.evaluate(() => {
      const order = () => [...document.querySelectorAll('summary, h2')].map(({ textContent }) => textContent);
      const before = order();
      dispatchEvent(new Event('beforeprint'));
      const closed = document.querySelectorAll('details:not([open])').length;
      const printed = order();
      dispatchEvent(new Event('afterprint'));
      const again = document.querySelectorAll('details:not([open])').length;
      return { closed, again, before, printed, after: order() };
    });
    // Where the time goes stands on the first sheet, not behind a list of events.
    expect(open.before[0]).not.toBe('Where the time goes');
    expect(open.printed[0]).toBe('Where the time goes');
    expect(open.after).toEqual(open.before);
    expect(open.closed).toBe(0);
    expect(open.again).toBeGreaterThan(0);
  });
});
