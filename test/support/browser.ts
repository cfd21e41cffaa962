/**
 * Debian's Chromium without a display, driven by playwright-core. It talks to nobody: background services are off, and
 * whatever a page asks for is recorded and refused.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

export const CHROMIUM =
  process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync) ?? null;

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface OpenOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly scripts?: boolean;
}

export interface OpenPage {
  readonly page: Page;
  /** Everything that the page asked for, itself included, whether its policy let it or not. */
  readonly requests: string[];
  /** What of it would have left the browser. */
  readonly sent: string[];
  /** Messages of the console, violations of the page's policy among them. */
  readonly messages: string[];
}

export interface TestBrowser {
  /** Opens a file; closes the page that was open before. */
  open(path: string, options?: OpenOptions): Promise<OpenPage>;
  close(): Promise<void>;
}

interface Profile {
  readonly context: BrowserContext;
  readonly folder: string;
}

async function startProfile(scripts: boolean): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-chromium-'));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM!,
    headless: true,
    args: ARGS,
    javaScriptEnabled: scripts,
    chromiumSandbox: false,
  });
  return { context, folder };
}

export async function startBrowser(): Promise<TestBrowser> {
  const profiles = new Map<boolean, Profile>();
  let last: Page | null = null;
  return {
    async open(path, { width = 1400, height = 900, dark = false, scripts = true } = {}) {
      const profile = profiles.get(scripts) ?? (await startProfile(scripts));
      profiles.set(scripts, profile);
      const page = await profile.context.newPage();
      await last?.close();
      last = page;
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
      const requests: string[] = [];
      const sent: string[] = [];
      const messages: string[] = [];
      const url = `file://${path}`;
      page.on('request', (request) => requests.push(request.url()));
      page.on('console', (message) => messages.push(message.text()));
      page.on('pageerror', (error) => messages.push(String(error)));
      page.on('dialog', (dialog) => {
        messages.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.route('**/*', (route) => {
        sent.push(route.request().url());
        return route.request().url() === url ? route.continue() : route.abort();
      });
      await page.goto(url);
      return { page, requests, sent, messages };
    },
    async close() {
      for (const { context, folder } of profiles.values()) {
        await context.close();
        rmSync(folder, { recursive: true, force: true });
      }
      profiles.clear();
    },
  };
}
