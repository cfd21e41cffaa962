#!/bin/bash
# Records the real-mode ROM guest on this machine's own kernel, in a mount namespace of its own.
#   live.sh OUTDIR HELPER KILL-TIMES
# Exit status: 0 done; 77 this machine cannot run it (the reason is printed); else it failed.
set -u
S=$(dirname "$(readlink -f "$0")"); OUT=$1; B=$2; KILLTIMES=$3
skip(){ echo "SKIPPED: $*"; exit 77; }
[ -c /dev/kvm ] && [ -w /dev/kvm ] || skip "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip "recording needs root"
grep -qw tracefs /proc/filesystems || skip "this kernel has no tracefs"
[ "$(uname -m)" = x86_64 ] || skip "the ROM is for x86"
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
if [ "${KVMTRACE_LIVE_NS:-}" != 1 ]; then
  exec env KVMTRACE_LIVE_NS=1 timeout 100 unshare -m --propagation private "$0" "$@"
fi
grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || mount -t tracefs nodev /sys/kernel/tracing || skip "tracefs cannot be mounted"
"$B" --check >/tmp/kvmtrace-live-check.$$ 2>&1 || { m=$(cat /tmp/kvmtrace-live-check.$$); rm -f /tmp/kvmtrace-live-check.$$; skip "$m"; }
rm -f /tmp/kvmtrace-live-check.$$
rm -rf "$OUT"; mkdir -p "$OUT"; cd "$OUT" || exit 1
exec 9<"$S/live.sh"; flock -w 300 9 || skip "another run of this test lasts five minutes"
I=/sys/kernel/tracing/instances
result(){ echo "$1=$2" >>results.txt; }
guest(){ exec qemu-system-x86_64 -M pc,accel=kvm -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0xf4,iosize=1 -no-reboot -serial null -bios "$@" 2>>qemu.err; }
ms(){ echo $(($(date +%s%N) / 1000000)); }
gone(){ local a d=$I/kvmtrace-$2; a=$(ms); result "$1.tracing_on" "$(cat "$d/tracing_on" 2>/dev/null || echo 0)"
  while [ -d "$d" ] && [ $(($(ms) - a)) -lt 10000 ]; do sleep 0.005; done; result "$1.gone_ms" $(($(ms) - a)); }
running(){ for _ in $(seq 100); do grep -q '"start"' "$1" 2>/dev/null && return; sleep 0.05; done; }
field(){ sed -n 's/.*"watchdog":\([0-9]*\).*/\1/p' "$1" | tail -1; }

# one to one: every exit that the kernel reports is one that QEMU reports
cat >rom.sh <<X
exec qemu-system-x86_64 -M pc,accel=kvm -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0xf4,iosize=1 -no-reboot -bios $S/rom/kvmrom.bin -serial null -trace enable=kvm_run_exit -D qemu.log -msg timestamp=on
X
"$B" -o rom.dat --status-json=3 -- sh rom.sh 3>rom.json 2>>qemu.err; result rom.rc $?

guest "$S/rom/kvmrom-busy.bin" & Q=$!
trap 'kill $Q 2>/dev/null' EXIT
"$B" -q -o killed.dat --status-json=3 3>killed.json & P=$!; running killed.json; sleep 0.7; kill -9 $P; gone killed $P; wait $P 2>/dev/null
"$B" -q -o both.dat --status-json=3 3>both.json & P=$!; running both.json; sleep 0.7; kill -9 $P "$(field both.json)"; wait $P 2>/dev/null; sleep 0.1
result both.tracing_on "$(cat $I/kvmtrace-$P/tracing_on 2>/dev/null || echo 0)"; # gone: another test's recorder cleaned up
 "$B" -q --recover both.dat; result both.recover_rc $?; "$B" -q --cleanup; result both.cleanup_rc $?; gone both $P
# on a busy machine, again and again
hogs=; for _ in 1 2 3 4; do sh -c 'while :; do :; done' & hogs="$hogs $!"; done
"$KILLTIMES" "$B" 25 . >kills.txt 2>>qemu.err; rm -f killed-once.dat; kill $hogs
# while the disk hangs: what waits for it cannot even be killed, but tracing is off
if command -v mkfs.ext4 fsfreeze losetup >/dev/null && truncate -s 96M disk.img && mkfs.ext4 -q -F disk.img && mkdir disk && mount -o loop disk.img disk 2>/dev/null; then
  trap 'fsfreeze -u disk 2>/dev/null; umount -l disk; kill $Q 2>/dev/null' EXIT
  for who in quiet busy; do
    [ $who = quiet ] && only="-p $$" || only=
    "$B" -q -o disk/$who.dat -b 256K -s 16M --min-free 1 $only --status-json=3 3>$who.json & P=$!; running $who.json; sleep 0.2
    # on a busy machine the first pages take longer
    [ $who = quiet ] || { b=$(stat -c %b disk/$who.dat); for _ in $(seq 100); do [ $(stat -c %b disk/$who.dat) -gt $b ] && break; sleep 0.05; done; }
    fsfreeze -f disk; sleep 0.8; kill -9 $P; sleep 0.9; d=$I/kvmtrace-$P
    result $who.tracing_on "$(cat $d/tracing_on 2>/dev/null || echo 0)"; result $who.events "$(cat $d/events/kvm/kvm_userspace_exit/enable 2>/dev/null || echo 0)"
    result $who.instance "$(ls $I | grep -c kvmtrace-$P)"; fsfreeze -u disk; gone $who $P; W=$(field $who.json)
    for _ in $(seq 100); do kill -0 "$W" 2>/dev/null || break; sleep 0.05; done; cp disk/$who.dat .
  done
  umount disk; rm disk.img; trap 'kill $Q 2>/dev/null' EXIT
else result disk "no loop device here"; fi
# refused by the kernel though root: lockdown's error, and its switch as it looks then
if command -v strace >/dev/null && mount -t tmpfs none /sys/kernel/security 2>/dev/null; then
  inj="strace -f -o /dev/null -P trace_clock -e trace=openat -e inject=openat:error=EPERM"
  for state in '[none] integrity confidentiality' 'none integrity [confidentiality]'; do echo "$state" >/sys/kernel/security/lockdown
    $inj "$B" -o locked.dat -d 0.1 >>locked.log 2>&1; result "locked.rc" $?; done
  $inj:when=2+ "$B" -o locked.dat -d 0.1 >>locked.log 2>&1; result locked.rc $?; umount /sys/kernel/security
fi
# memory after two seconds of some 10^5 events/s, against half a second
"$B" -q -o growth.dat -d 4 --status-json=3 3>growth.json & P=$!; running growth.json; sleep 0.5; r1=$(sed -n 's/^VmRSS:[ \t]*\([0-9]*\).*/\1/p' /proc/$P/status); sleep 2.5
r2=$(sed -n 's/^VmRSS:[ \t]*\([0-9]*\).*/\1/p' /proc/$P/status); wait $P; result growth.rss1_kb "$r1"; result growth.rss2_kb "$r2"
page(){ trace-cmd dump --summary "$1" 2>/dev/null | sed -n 's/^[[:space:]]*\([0-9]*\)[[:space:]]*\[Page size.*/\1/p'; }
"$B" -q -o small.dat -b 64K -d 0.5; [ -e $I/../buffer_subbuf_size_kb ] && result pages "$(page growth.dat) $(page small.dat)"
# scheduling classes (0 usual, 2 SCHED_RR): of the recorder's threads, of its command; the command's limit
for kb in 8 1024; do "$B" -q -o class.dat -b ${kb}K -- sh -c 'echo $(cut -d" " -f41 /proc/$PPID/task/*/stat | sort) command $(cut -d" " -f41 /proc/self/stat) $(sed -n "s/^Max realtime timeout *//p" /proc/self/limits)' >class.txt
  result class.$kb "$(cat class.txt)"; rm -f class.dat; done
# those of living recorders are other tests'
result instances "$(for d in $I/kvmtrace-*; do p=${d##*/kvmtrace-}; [ -d "$d" ] && [ ! -d /proc/${p%%.*} ] && printf '%s ' "${d##*/}"; done)"
kill $Q; exit 0
