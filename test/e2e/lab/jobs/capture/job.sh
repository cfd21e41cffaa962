# kvmtrace-capture on a real KVM host: beside the reference recorders, then killed in every way.
# Writes /out/results.txt (key=value) and the captures; test/e2e/capture-lab.test.ts judges them.
. ./joblib.sh
B=/job/kvmtrace-capture; I=$T/instances
cd /out; say start
result(){ echo "$1=$2" >>/out/results.txt; }
ms(){ read u _ </proc/uptime; echo $((${u%.*} * 1000 + 1${u#*.} * 10 - 1000)); }
# the endless guest: real mode, port I/O and MMIO
busy(){ qemu-system-x86_64 -name busy$1,debug-threads=on -accel kvm -cpu host -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0xf4,iosize=1 -no-reboot -bios /job/kvmrom-busy.bin -serial null >>/tmp/busy.log 2>&1 </dev/null & }
# waits until instance of pid $2 is gone; $1 names the results. Tracing must be off at the first look already.
gone(){ a=$(ms); d=$I/kvmtrace-$2; result $1.tracing_on "$(cat $d/tracing_on 2>/dev/null || echo 0)"
  while [ -d $d ] && [ $(($(ms) - a)) -lt 10000 ]; do usleep 5000; done
  result $1.gone_ms $(($(ms) - a)); case $1 in parent*);; *) result $1.still_enabled "$(cat $T/events/kvm/kvm_exit/enable)";; esac; }
watchdog(){ sed -n 's/.*"watchdog":\([0-9]*\).*/\1/p' $1 | tail -1; }
# waits for a status line (recording runs) in FILE
running(){ n=0; while ! grep -q '"start"' $1 2>/dev/null && [ $n -lt 100 ]; do usleep 50000; n=$((n+1)); done; }

# trace-cmd into FILE until /tmp/tc-stop exists; returns when it records
tracecmd(){ rm -f /tmp/tc-stop; trace-cmd record -q -C mono -b 8000 -e kvm:kvm_exit -e kvm:kvm_entry -e kvm:kvm_userspace_exit -o $1 sh -c 'while [ ! -e /tmp/tc-stop ]; do usleep 50000; done' >>tc.log 2>&1 & tc=$!
  n=0; until [ "$(cat $T/events/kvm/kvm_userspace_exit/enable)$(cat $T/events/kvm/kvm_entry/enable)$(cat $T/tracing_on)" = 111 ] || [ $n -gt 200 ]; do usleep 50000; n=$((n+1)); done; sleep 0.5; }

# ---- side by side with trace-cmd, perf and trace_pipe, over the whole life of a two-vCPU BIOS-only VM
$B -o us.dat -b 8M --status-json=3 3>us.json & us=$!
$B --text -o us.txt -b 8M --status-json=3 3>us-text.json & ut=$!
$B --backend perf -b 8M -o perf.data >perf.log 2>&1 & up=$!
tracecmd tc.dat
running us.json; running us-text.json; n=0
while [ "$(stat -c %s perf.data 2>/dev/null || echo 0)" -lt 1000 ] && [ $n -lt 200 ]; do usleep 50000; n=$((n+1)); done; sleep 0.7
qemu-system-x86_64 -name "guest=life,debug-threads=on" -accel kvm -cpu host -smp 2 -m 64 -nic none -display none -vga none -serial null -monitor none >/tmp/life.log 2>&1 </dev/null & LP=$!
n=0; while [ "$(sed -n 's/.*"status".*"events":\([0-9]*\).*/\1/p' us.json | tail -1)" -lt 5000 ] && [ $n -lt 150 ]; do usleep 100000; n=$((n+1)); done
$PS -Lo pid,tid,comm -p $LP >ps.txt; kill $LP; wait $LP 2>/dev/null
kill -INT $us $ut $up; wait $us; result us.rc $?; wait $ut; result text.rc $?; wait $up; result perf.rc $?; touch /tmp/tc-stop; wait $tc; result tc.rc $?
result side.instances "$(ls $I | tr '\n' ' ')"
ls -l us.dat us.txt perf.data >ls.txt; say side by side done

# ---- killed
busy 1; B1=$!; busy 2; B2=$!; sleep 0.5
/job/kill-times $B 3 . >kills.txt 2>kills.log; rm -f killed-once.dat
tracecmd k-parent-tc.dat
$B -q -o k-parent.dat --status-json=3 3>k-parent.json & P=$!; running k-parent.json
sleep 1.2; kill -9 $P; gone parent $P; touch /tmp/tc-stop; wait $tc; result parent.still_enabled "$(cat $T/events/kvm/kvm_exit/enable)"; say parent killed

$B -q -o k-watchdog.dat -d 2 --status-json=3 3>k-watchdog.json & P=$!; running k-watchdog.json; sleep 0.7
kill -9 $(watchdog k-watchdog.json); wait $P; result watchdog.rc $?; gone watchdog $P; say watchdog killed

$B -q -o k-both.dat --status-json=3 3>k-both.json & P=$!; running k-both.json; sleep 1
kill -9 $P $(watchdog k-both.json); usleep 100000
result both.tracing_on "$(cat $I/kvmtrace-$P/tracing_on)"; trace-cmd report k-both.dat 2>&1 | grep -c kvm_ >/tmp/before
result both.events_before $(cat /tmp/before)
$B --recover k-both.dat >recover.log 2>&1; result both.recover_rc $?
$B --cleanup >cleanup.log 2>&1; result both.cleanup_rc $?; gone both $P; say both killed

# stack traces are on in the host's own tracing: a new instance inherits that
echo 1 >$T/options/stacktrace; $B -q -o stack.dat -d 0.3; result stack.rc $?; echo 0 >$T/options/stacktrace

# memory gets short where the recorder runs: the OOM killer takes it, and spares the watchdog
mkdir -p /tmp/cg; mount -t cgroup2 none /tmp/cg 2>/dev/null && echo +memory >/tmp/cg/cgroup.subtree_control && mkdir -p /tmp/cg/small
if echo 64M >/tmp/cg/small/memory.max; then
  sh -c 'echo $$ >/tmp/cg/small/cgroup.procs; echo 1000 >/proc/self/oom_score_adj; exec '$B' -q -o k-oom.dat --status-json=3 3>k-oom.json' & P=$!; running k-oom.json; sleep 1
  sh -c 'echo $$ >/tmp/cg/small/cgroup.procs; exec awk "BEGIN { x = \"0123456789abcdef\"; for (;;) x = x x }"' >/dev/null 2>&1 & H=$!
  n=0; while kill -0 $P 2>/dev/null && [ $n -lt 500 ]; do usleep 20000; n=$((n+1)); done
  gone oom $P; wait $P; result oom.rc $?; result oom.kills "$(sed -n 's/^oom_kill //p' /tmp/cg/small/memory.events)"; kill $H 2>/dev/null
  W=$(watchdog k-oom.json); n=0; while kill -0 $W 2>/dev/null && [ $n -lt 100 ]; do usleep 50000; n=$((n+1)); done
fi; say oom done

# ---- CPUs that come and go; two more are possible, but were never there
result cpus.possible "$(cat /sys/devices/system/cpu/possible)"; result cpus.online "$(cat /sys/devices/system/cpu/online)"
$B -q -o hotplug.dat --status-json=3 3>hotplug.json & P=$!; running hotplug.json; sleep 0.5
echo 0 >/sys/devices/system/cpu/cpu1/online; result hotplug.off $(cat /sys/devices/system/cpu/online); sleep 0.5; echo 1 >/sys/devices/system/cpu/cpu1/online; sleep 0.7
set -- $(cat /proc/$P/task/*/schedstat | awk '{ n += $3 } END { print n }'); result hotplug.switches $1
kill -INT $P; wait $P; result hotplug.rc $?; gone hotplug $P
echo 0 >/sys/devices/system/cpu/cpu1/online; $B -q -o offline.dat -d 0.5 --status-json=3 3>offline.json; result offline.rc $?; echo 1 >/sys/devices/system/cpu/cpu1/online; say cpus done

# ---- limits
mkdir -p /tmp/small; mount -t tmpfs -o size=12M small /tmp/small
$B -o /tmp/small/full.dat -b 128K -s 8M --min-free 1 --status-json=3 3>full.json & P=$!; running full.json; sleep 0.5
dd if=/dev/zero of=/tmp/small/fill bs=64k 2>/dev/null; wait $P; result full.rc $?; gone full $P
cp /tmp/small/full.dat full.dat; umount /tmp/small; say disk full

$B -o size.dat -s 256K --status-json=3 3>size.json; result size.rc $?; result size.bytes $(stat -c %s size.dat)
$B -q -o none.dat -- /no/such/command 2>none.log; result none.rc $?; result none.file "$(ls none.dat 2>/dev/null)"
$B --text | head -3 >text-head.txt; result head.rc $?; sleep 0.2; result head.instances "$(ls $I | tr '\n' ' ')"
mkfifo /tmp/fifo; head -c 10 /tmp/fifo >/dev/null & $B -q -o closed.dat --status-json=3 3>/tmp/fifo & P=$!; wait $P; result closed.rc $?; gone closed $P
$B -q -o hup.dat --status-json=3 3>hup.json & P=$!; running hup.json; sleep 0.3; kill -HUP $P; wait $P; result hup.rc $?; gone hup $P; say limits done

# The emulated processor loses a guest now and then: then the whole job is tried again.
mkdir -p /tmp/debug; mount -t debugfs none /tmp/debug 2>/dev/null
for g in $B1 $B2; do
  before=$(cat /tmp/debug/kvm/$g-*/exits); usleep 500000; after=$(cat /tmp/debug/kvm/$g-*/exits)
  [ "$after" != "$before" ] || { say "guest $g makes no exits any more"; exit 1; }
done

# ---- filters, in the kernel
$B -q -o pid.dat -p $B1 -d 0.5; result pid.rc $?
T1=$($PS -Lo tid=,comm= -p $B2 | sed -n 's/^ *\([0-9]*\) CPU.*/\1/p'); $B -q -o tid.dat -t $T1 -d 0.5; result tid.rc $?
$B -q -o cpu.dat -C 1 -d 0.5; result cpu.rc $?
result tid.want $T1; result vcpu.1 $($PS -Lo tid=,comm= -p $B1 | sed -n 's/^ *\([0-9]*\) CPU.*/\1/p')

# ---- refusals
ln -s /out/victim link.dat; $B -o link.dat -d 0.1 >refuse.log 2>&1; result symlink.rc $?; result symlink.victim "$(ls victim 2>/dev/null)"; rm link.dat
$B -o us.dat -d 0.1 >>refuse.log 2>&1; result exists.rc $?
$B -o x.dat -d 0.1 -e kvm:nothing >>refuse.log 2>&1; result event.rc $?
$B -o x.dat -d 0.1 -p 999999 >>refuse.log 2>&1; result nopid.rc $?; result refused.instances "$(ls $I | tr '\n' ' ')"; result refused.files "$(ls x.dat 2>/dev/null)"
kill $B1 $B2
# growth: resident memory of recorder after a long busy recording is measured by bench/overhead.sh
say done
