# What recording costs the guests: exits per second of an exit-bound guest, counted by KVM itself, with nothing, with
# the events alone, kvmtrace-capture, trace-cmd record and perf record in turn. Lines of /out/rounds.txt:
#   ROUND TOOL BUFFER_KB EXITS/S CPU_MS RECORDING_US SWITCHES WHOLE_EXITS/S
# CPU_MS: the recorder's CPU time from start to end. RECORDING_US, SWITCHES: its CPU time and how often it got a CPU,
# per second of recording. WHOLE_EXITS/S: from before the recorder starts until it has ended.
. ./joblib.sh
. ./bench.conf
ev="kvm:kvm_exit kvm:kvm_entry kvm:kvm_userspace_exit"; X=/sys/kernel/debug/kvm/exits
cd /tmp; say start
# new guests for everybody: after a minute this one goes on with a timer running
guests(){ G=; for i in $(seq $VCPUS); do qemu-system-x86_64 -name busy$i,debug-threads=on -accel kvm -cpu host -m 16 -nodefaults -display none -device isa-debug-exit,iobase=0xf4,iosize=1 -no-reboot -bios /job/kvmrom-busy.bin -serial null >/tmp/busy.log 2>&1 </dev/null & G="$G $!"; done
  a=$(cat $X); until [ $(($(cat $X) - a)) -gt 2000 ]; do usleep 50000; done; }
children_ms(){ set -- $(cut -d')' -f2- /proc/$$/stat); shift 13; echo $((($1 + $2) * 10)); } # cutime + cstime in ticks of 10 ms
us(){ read u _ </proc/uptime; echo $((${u%.*} * 1000 + 1${u#*.} * 10 - 1000)); }
# The recorded command itself measures: it starts when the recorder records. Its parent is the recorder.
cat >measure.sh <<'EOF'
us(){ read u _ </proc/uptime; echo $((${u%.*} * 1000 + 1${u#*.} * 10 - 1000)); }
spent(){ ns=0; n=0; [ $1 = nothing ] || [ $1 = events ] || for p in $PPID $(cat /proc/$PPID/task/$PPID/children); do
  [ $p = $$ ] || for f in /proc/$p/task/*/schedstat; do read a b c <$f && ns=$((ns + a)) n=$((n + c)); done; done; }
X=/sys/kernel/debug/kvm/exits
sleep 0.3; spent $2; ns0=$ns; n0=$n; t0=$(us); e0=$(cat $X); sleep $1; t1=$(us); e1=$(cat $X); spent $2
echo $(((e1 - e0) * 1000 / (t1 - t0))) $(((ns - ns0) / (t1 - t0))) $(((n - n0) * 1000 / (t1 - t0))) >/tmp/rate
EOF
set_events(){ e=; for x in $ev; do e="$e -e $x"; done; }
set_events
ended(){ c1=$(children_ms); x1=$(cat $X); w=$(((x1 - x0) * 1000 / ($(us) - w0))); }
one(){ # ROUND TOOL KB
  say "$*"; rm -f x.*; sync; guests; M="sh /tmp/measure.sh $SECONDS_EACH $2"; c0=$(children_ms); w0=$(us); x0=$(cat $X)
  case $2 in
  nothing) $M; ended;;
  events) # the same events, and nobody who reads them
    I=/sys/kernel/tracing/instances/events; mkdir $I; echo $CLOCK >$I/trace_clock; echo $3 >$I/buffer_size_kb
    for x in $ev; do echo 1 >$I/events/kvm/${x#kvm:}/enable; done; $M; echo 0 >$I/tracing_on; echo 0 >$I/events/enable; rmdir $I; ended;;
  kvmtrace*) /job/kvmtrace-capture${2#kvmtrace} -q -b $3 --clock $CLOCK -o x.dat --status-json=3 3>x.json -- $M; ended
    mv x.dat /out/$2-$1-$3.dat;; # copied afterwards: reading is slow in here
  trace-cmd) trace-cmd record -q -C $CLOCK -b $3 $e -o x.dat $M >x.log 2>&1; ended
    mv x.dat /out/trace-cmd-$1-$3.dat;;
  perf) k="-k CLOCK_MONOTONIC"; [ $CLOCK = mono ] || k=; perf record -a $k -m $(($3 / 4)) $e -o x.data $M >x.log 2>&1; ended
    mv x.data /out/perf-$1-$3.data;;
  esac
  kill $G; wait $G; set -- $1 $2 $3 $(cat /tmp/rate); echo "$1 $2 $3 $4 $((c1 - c0)) $5 $6 $w" >>/out/rounds.txt; }
r=0; while [ $r -lt $ROUNDS ]; do r=$((r+1))
  for kb in $BUFFERS; do case $((r % 3)) in 0) o="nothing $TOOLS";; 1) o="$(echo $TOOLS | awk '{ for (i = NF; i; i--) printf "%s ", $i }') nothing";; *) o="$TOOLS nothing";; esac
    for t in $o; do one $r $t $kb; done; done; say round $r; done; say done
