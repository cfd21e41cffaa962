#!/bin/bash
# What recording costs the guests: exits per second of an exit-bound guest in the emulated KVM host of test/e2e, with
# nothing, kvmtrace-capture, trace-cmd record and perf record in turn, all on the same clock. Prints a table of medians.
#   bench/overhead.sh [ROUNDS]        default 2; about two minutes each
# Time in there is counted in executed instructions (QEMU's -icount, one CPU): other load on this machine changes
# nothing, and whatever a recorder executes is taken from the guest. Read the shares, not the absolute numbers: the
# host has 62 MIPS, a real one about a hundred times that, with about as many more exits.
set -eu
R=$(dirname "$(readlink -f "$0")")/..; export KVMLAB=${KVMLAB:-$R/.kvmlab}; ROUNDS=${1:-2}
mkdir -p "$KVMLAB"; T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; O=$KVMLAB/out-overhead
(cd "$R/native" && ${CC:-cc} -O2 -static -pthread -o "$T/kvmtrace-capture" ./*.c)
printf 'ROUNDS=%d\nSECONDS_EACH=%s\nVCPUS=%d\nBUFFERS="%s"\n' "$ROUNDS" "${SECONDS_EACH:-3}" "${VCPUS:-1}" "${BUFFERS:-1024 32}" >"$T/bench.conf"
export TCGTHREAD=single QEMUARGS='-icount shift=4,sleep=off' SMP=${SMP:-1} LIMIT=$((120 + ROUNDS * 300))
s=0; "$R/test/e2e/run-lab.sh" overhead "$O" "$T/kvmtrace-capture" "$T/bench.conf" "$R/test/e2e/rom/kvmrom-busy.bin" || s=$?
[ $s = 0 ] || exit $s
# Events in the file and events lost, from what each recorder wrote: ROUND TOOL KB EXITS/S CPU_MS KEPT LOST
while read -r round tool kb rate cpu; do
  f=$O/$tool-$round-$kb; kept=- lost=-
  case $tool in
  kvmtrace|trace-cmd) kept=$(trace-cmd report "$f.dat" 2>/dev/null | grep -ac ': kvm_' || :)
    lost=$(trace-cmd report --stat "$f.dat" 2>/dev/null | awk '/^(overrun|commit overrun|dropped events):/ { n += $NF } END { print n + 0 }');;
  perf) kept=$(perf script -f -i "$f.data" -F event 2>/dev/null | grep -ac kvm: || :)
    lost=$(perf script -f -i "$f.data" --show-lost-events 2>/dev/null | awk '/PERF_RECORD_LOST / { n += $NF } END { print n + 0 }');;
  esac
  echo "$round $tool $kb $rate $cpu $kept $lost"
done <"$O/rounds.txt" >"$T/rounds"
awk '
function med(a, n,   i, j, t) { for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j-1] > a[j]; j--) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }; return n % 2 ? a[(n+1)/2] : (a[n/2] + a[n/2+1]) / 2 }
{ k = $3 SUBSEP $2; n[k]++; rate[k, n[k]] = $4; cpu[k, n[k]] = $5; kept[k] += $6; lost[k] += $7; if (!($3 in seen)) { seen[$3]; order[++m] = $3 } }
END { split("nothing kvmtrace trace-cmd perf", tools, " ")
  printf "| buffer | recorder | guest exits/s | of none | CPU ms, start to end | events in the file | lost |\n|---|---|---|---|---|---|---|\n"
  for (b = 1; b <= m; b++) for (t = 1; t <= 4; t++) { k = order[b] SUBSEP tools[t]; if (!(k in n)) continue
    for (i = 1; i <= n[k]; i++) { x[i] = rate[k, i] + 0; y[i] = cpu[k, i] + 0 }
    r = med(x, n[k]); c = med(y, n[k]); if (tools[t] == "nothing") base = r
    printf "| %d KB | %s | %d | %.1f %% | %d | %s | %s |\n", order[b], tools[t], r, 100 * r / base, c, kept[k] ? kept[k] : "-", t == 1 ? "-" : lost[k] } }' "$T/rounds"
