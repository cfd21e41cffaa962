#!/bin/bash
# Runs one job of test/e2e/lab inside an emulated KVM host (a stock Debian kernel under QEMU's TCG).
#   run-lab.sh JOB OUTDIR [FILE...]      FILEs are put beside job.sh
# Exit status: 0 the job ran; 77 this machine cannot run it (the reason is printed); else it failed.
# The lab's state (kernel package, images: 0.5 GB) lives in $KVMLAB, default .kvmlab of the repository.
set -u
S=$(dirname "$(readlink -f "$0")"); R=$S/../..; export KVMLAB=${KVMLAB:-$R/.kvmlab}
JOB=$1; OUT=$2; shift 2
skip(){ echo "SKIPPED: $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "the lab needs an x86-64 machine"
mkdir -p "$KVMLAB" || skip "cannot write $KVMLAB"
exec 9>"$KVMLAB/lock"; flock -w 300 9 || skip "another lab run holds $KVMLAB/lock for five minutes"
KV=$(cat "$KVMLAB/kernel-version" 2>/dev/null)
if [ -z "$KV" ] || [ ! -e "$KVMLAB/img/$KV/host.cpio" ]; then
  [ "$(id -u)" = 0 ] || skip "setting up the lab installs Debian packages: run it once as root"
  command -v apt-get >/dev/null || skip "setting up the lab needs apt-get (Debian)"
  KV=$("$S/lab/fetch.sh" 2>"$KVMLAB/fetch.log") || skip "packages cannot be had: $(tail -1 "$KVMLAB/fetch.log")"
  GKV=$KV "$S/lab/build.sh" "$KV" >"$KVMLAB/build.log" 2>&1 || { tail -5 "$KVMLAB/build.log"; exit 1; }
  echo "$KV" >"$KVMLAB/kernel-version"
fi
for t in qemu-system-x86_64 mke2fs debugfs; do PATH=$PATH:/sbin:/usr/sbin command -v $t >/dev/null || skip "$t is not installed"; done
export PATH=$PATH:/sbin:/usr/sbin
D=$(mktemp -d "$KVMLAB/job.XXXXXX"); trap 'rm -rf "$D" "$OUT".in.tar "$OUT".out.img' EXIT
cp "$S/lab/jobs/$JOB"/* "$D"/; for f; do cp "$f" "$D"/; done
# QEMU 7.2 hangs or crashes the emulated host once in a while, 10 was not seen to: a time limit, and three tries, the last
# with one thread for all CPUs (a third slower, but they cannot race).
for try in 1 2 3; do
  rm -rf "$OUT"; [ $try = 3 ] && export TCGTHREAD=${TCGTHREAD:-single}
  LIMIT=${LIMIT:-180} OUTSIZE=${OUTSIZE:-512M} MEM=${MEM:-2048} "$S/lab/run-host.sh" "$D" "$OUT" "$KV"
  grep -q '^rc=0' "$OUT/job.log" 2>/dev/null && exit 0
  echo "try $try: the job did not end well"; tail -5 "$OUT/job.log" 2>/dev/null; grep -aE 'panic|BUG|Oops|lockup|RIP:' "$OUT.console" 2>/dev/null | head -5
done
exit 1
