#!/usr/bin/env node
// Starts the command line. Asked for nothing but the version, it answers without loading anything else.
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8'));
  process.stdout.write(`kvmtrace ${version}\n`);
} else {
  const loader = join(__dirname, '../dist/bundle/load.js');
  if (existsSync(loader)) require(loader).load('./main.js').main(args);
  else {
    process.stderr.write(
      'kvmtrace: not built yet: run `npm ci` (or `npm run build`) in the checkout first\n',
    );
    process.exitCode = 2;
  }
}
