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
  /** Everything that the page asked for, itself included. */
  readonly requests: string[];
  /** Messages of the console, violations of the page's policy among them. */
  readonly messages: string[];
}

export interface TestBrowser {
  /** Opens a file in a fresh page of its own profile. */
  open(path: string, options?: OpenOptions): Promise<OpenPage>;
  close(): Promise<void>;
}

export async function startBrowser(): Promise<TestBrowser> {
  const contexts: { context: BrowserContext; folder: string }[] = [];
  return {
    async open(path, { width = 1400, height = 900, dark = false, scripts = true } = {}) {
      const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-chromium-'));
      const context = await chromium.launchPersistentContext(folder, {
        executablePath: CHROMIUM!,
        headless: true,
        args: ARGS,
        viewport: { width, height },
        colorScheme: dark ? 'dark' : 'light',
        javaScriptEnabled: scripts,
        chromiumSandbox: false,
      });
      contexts.push({ context, folder });
      const requests: string[] = [];
      const messages: string[] = [];
      const url = `file://${path}`;
      context.on('request', (request) => requests.push(request.url()));
      await context.route('**/*', (route) =>
        route.request().url() === url ? route.continue() : route.abort(),
      );
      const page = context.pages()[0] ?? (await context.newPage());
      page.on('console', (message) => messages.push(message.text()));
      page.on('pageerror', (error) => messages.push(String(error)));
      page.on('dialog', (dialog) => {
        messages.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.goto(url);
      return { page, requests, messages };
    },
    async close() {
      for (const { context, folder } of contexts.splice(0)) {
        await context.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
