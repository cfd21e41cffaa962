#!/usr/bin/env bash
# Makes docs/report.png, the README's picture, anew: a report's beginning beside its charts. Needs a build and Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
node bin/kvmtrace.js report -q samples/amd-perf-nested/perf.data.gz -o "$out/report.html"
cat >"$out/page.html" <<'PAGE'
<!DOCTYPE html><style>
body { margin: 0; padding: 16px; display: flex; gap: 16px; background: #e9edf2 }
div { width: 576px; height: 748px; overflow: hidden; background: #fff; border-radius: 6px; box-shadow: 0 1px 4px #0003 }
iframe { border: 0; width: 1000px; height: 1299px; transform: scale(.576); transform-origin: 0 0 }
</style>
<div><iframe src="report.html" scrolling="no"></iframe></div>
<div><iframe src="report.html#h-latency" scrolling="no"></iframe></div>
PAGE
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1200,780 \
  --virtual-time-budget=3000 --screenshot="$PWD/docs/report.png" "file://$out/page.html" 2>/dev/null
