# What recording costs the guests: exits per second of an exit-bound guest, counted by KVM itself, with nothing, with
# kvmtrace-capture, trace-cmd record and perf record in turn. Lines of /out/rounds.txt: ROUND TOOL BUFFER_KB EXITS/S CPU_MS
. ./joblib.sh
. ./bench.conf
B=/job/kvmtrace-capture; ev="kvm:kvm_exit kvm:kvm_entry kvm:kvm_userspace_exit"
cd /tmp; say start
for i in $(seq $VCPUS); do qemu-system-x86_64 -name busy$i,debug-threads=on -accel kvm -cpu host -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0xf4,iosize=1 -no-reboot -bios /job/kvmrom-busy.bin -serial null >/tmp/busy.log 2>&1 </dev/null & G="$G $!"; done
sleep 2
children_ms(){ set -- $(cut -d')' -f2- /proc/$$/stat); shift 13; echo $((($1 + $2) * 10)); } # cutime + cstime in ticks of 10 ms
# The recorded command itself measures: it starts when the recorder records.
cat >measure.sh <<'X'
us(){ read u _ </proc/uptime; echo $((${u%.*} * 1000 + 1${u#*.} * 10 - 1000)); }
sleep 0.3; t0=$(us); e0=$(cat /sys/kernel/debug/kvm/exits); sleep $1; t1=$(us); e1=$(cat /sys/kernel/debug/kvm/exits)
echo $(((e1 - e0) * 1000 / (t1 - t0))) >/tmp/rate
X
M="sh /tmp/measure.sh $SECONDS_EACH"
set_events(){ e=; for x in $ev; do e="$e -e $x"; done; }
set_events
one(){ # ROUND TOOL KB
  say "$*"; rm -f x.*; c0=$(children_ms)
  case $2 in
  nothing) $M;;
  kvmtrace) $B -q -b $3 -o x.dat --status-json=3 3>x.json -- $M
    mv x.dat /out/kvmtrace-$1-$3.dat;;
  trace-cmd) trace-cmd record -q -C mono -b $3 $e -o x.dat $M >x.log 2>&1; c1=$(children_ms)
    mv x.dat /out/trace-cmd-$1-$3.dat;; # counted outside: reading is slow in here
  perf) perf record -a -k CLOCK_MONOTONIC -m $(($3 / 4)) $e -o x.data $M >x.log 2>&1; c1=$(children_ms)
    mv x.data /out/perf-$1-$3.data;;
  esac
  case $2 in nothing|kvmtrace) c1=$(children_ms);; esac
  echo "$1 $2 $3 $(cat /tmp/rate) $((c1 - c0))" >>/out/rounds.txt; }
r=0; while [ $r -lt $ROUNDS ]; do r=$((r+1))
  for kb in $BUFFERS; do case $((r % 3)) in 0) o="nothing kvmtrace trace-cmd perf";; 1) o="perf nothing kvmtrace trace-cmd";; *) o="trace-cmd perf nothing kvmtrace";; esac
    for t in $o; do one $r $t $kb; done; done; say round $r; done
kill $G; say done
