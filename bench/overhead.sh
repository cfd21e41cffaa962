#!/bin/bash
# What recording costs the guests: exits per second of an exit-bound guest in the emulated KVM host of test/e2e, with
# nothing, kvmtrace-capture, trace-cmd record and perf record in turn, all on the same clock. Prints a table of medians.
# "events" are the same tracepoints, written into a ring buffer that nobody reads: what a recorder on ftrace's buffer takes
# beyond that is its own share, in percent of what the guest does with nothing. The guest's rates vary by 1 % from one
# recording to the next; exact to a few percent are the recorder's own instructions per event, from its CPU time.
#   bench/overhead.sh [ROUNDS] [HELPER...]     default 2; a minute or two each
# Settings from the environment: BUFFERS (KB per CPU) "1024 64 8", SECONDS_EACH 3, VCPUS 1, CLOCK mono, TOOLS.
# HELPERs are further builds to compare, called kvmtrace-capture-NAME; TOOLS names them kvmtrace-NAME.
# Time in there is counted in executed instructions (QEMU's -icount, one CPU): other load on this machine changes
# nothing, and whatever a recorder executes is taken from the guest. Read the shares, not the absolute numbers: the
# host has 62 MIPS, a real one about a hundred times that, with about as many more exits. bench/overhead-live.mjs
# measures on this machine's own kernel.
set -eu
R=$(dirname "$(readlink -f "$0")")/..; export KVMLAB=${KVMLAB:-$R/.kvmlab}; ROUNDS=${1:-2}; shift || :
mkdir -p "$KVMLAB"; T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; O=$KVMLAB/out-overhead
(cd "$R/native" && ${CC:-cc} -O2 -static -pthread -o "$T/kvmtrace-capture" ./*.c)
printf 'ROUNDS=%d\nSECONDS_EACH=%s\nVCPUS=%d\nBUFFERS="%s"\nCLOCK=%s\nTOOLS="%s"\n' "$ROUNDS" "${SECONDS_EACH:-3}" "${VCPUS:-1}" \
  "${BUFFERS:-1024 64 8}" "${CLOCK:-mono}" "${TOOLS:-events kvmtrace trace-cmd perf}" >"$T/bench.conf"
export TCGTHREAD=single QEMUARGS='-icount shift=4,sleep=off' SMP=${SMP:-1} LIMIT=$((120 + ROUNDS * 300))
s=0; "$R/test/e2e/run-lab.sh" overhead "$O" "$T/kvmtrace-capture" "$T/bench.conf" "$R/test/e2e/rom/kvmrom-busy.bin" "$@" || s=$?
[ $s = 0 ] || exit $s
# Events in the file and events lost, from what each recorder wrote.
while read -r round tool kb rest; do
  f=$O/$tool-$round-$kb; kept=- lost=-
  case $tool in
  kvmtrace*|trace-cmd) kept=$(trace-cmd report "$f.dat" 2>/dev/null | grep -ac ': kvm_' || :)
    lost=$(trace-cmd report --stat "$f.dat" 2>/dev/null | awk '/^(overrun|commit overrun|dropped events):/ { n += $NF } END { print n + 0 }');;
  perf) kept=$(perf script -f -i "$f.data" -F event 2>/dev/null | grep -ac kvm: || :)
    lost=$(perf script -f -i "$f.data" --show-lost-events 2>/dev/null | awk '/PERF_RECORD_LOST / { n += $NF } END { print n + 0 }');;
  esac
  echo "$round $tool $kb $rest $kept $lost"
done <"$O/rounds.txt" >"$T/rounds"
awk -v tools="nothing ${TOOLS:-events kvmtrace trace-cmd perf}" -v seconds="${SECONDS_EACH:-3}" '
function med(key,   i, j, t, a, m) { m = n[k]; for (i = 1; i <= m; i++) a[i] = value[key, k, i] + 0
  for (i = 2; i <= m; i++) for (j = i; j > 1 && a[j-1] > a[j]; j--) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
  return m % 2 ? a[(m+1)/2] : (a[m/2] + a[m/2+1]) / 2 }
{ k = $3 SUBSEP $2; n[k]++; for (i = 4; i <= 8; i++) value[i, k, n[k]] = $i; kept[k] += $9; lost[k] += $10
  if (!($3 in seen)) { seen[$3]; order[++buffers] = $3 } }
END { count = split(tools, tool, " ")
  printf "| buffer per CPU | recorder | guest exits/s | of none | own share | own instructions per event | whole run, of none | CPU while recording | switches/s | CPU, start to end | events kept | lost |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
  for (b = 1; b <= buffers; b++) for (t = 1; t <= count; t++) { k = order[b] SUBSEP tool[t]; if (!(k in n)) continue
    rate = med(4); if (t == 1) { base = rate; whole = med(8); alone = 0; printf "| %d KB | none | %d | | | | | | | | | |\n", order[b], rate; continue }
    if (tool[t] == "events") { alone = rate; printf "| | events, nobody reads | %d | %.1f %% | | | %.1f %% | | | | | |\n", rate, 100 * rate / base, 100 * med(8) / whole; continue }
    own = alone && tool[t] != "perf" ? sprintf("%.1f %%", 100 * (alone - rate) / base) : ""
    # three events per exit, 62.5 instructions per microsecond
    printf "| | %s | %d | %.1f %% | %s | %.1f | %.1f %% | %.1f ms/s | %d | %.1f s | %s | %s |\n", tool[t], rate, 100 * rate / base, own, med(6) * 62.5 / (3 * rate), 100 * med(8) / whole, med(6) / 1000, med(7), med(5) / 1000, kept[k], lost[k] } }' "$T/rounds"
