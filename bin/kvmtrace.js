#!/usr/bin/env node
// Starts the command line. Asked for nothing but the version, it answers without loading anything else.
import { existsSync, readFileSync } from 'node:fs';

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`kvmtrace ${version}\n`);
} else {
  const main = new URL('../dist/bundle/main.js', import.meta.url);
  if (existsSync(main)) await (await import(main.href)).main(args);
  else {
    process.stderr.write(
      'kvmtrace: not built yet: run `npm ci` (or `npm run build`) in the checkout first\n',
    );
    process.exitCode = 2;
  }
}
