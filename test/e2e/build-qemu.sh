#!/bin/bash
# Builds a QEMU with the simple trace backend from Debian's source package, which Debian's own builds leave out: x86-64,
# KVM only, nothing else. About two minutes on two CPUs, 1 GB of disk.
#   build-qemu.sh [FOLDER]      prints the program's path, for KVMTRACE_QEMU_SIMPLE; FOLDER default .kvmlab/qemu-simple
set -eu
S=$(dirname "$(readlink -f "$0")"); F=${1:-${KVMLAB:-$S/../../.kvmlab}/qemu-simple}
mkdir -p "$F/apt/lists/partial" "$F/apt/cache/archives/partial"; F=$(readlink -f "$F")
P=$F/source/build/qemu-system-x86_64; [ -x "$P" ] && { echo "$P"; exit; }
{ # the machine's own package sources, as sources of source packages
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends meson ninja-build pkg-config libglib2.0-dev \
    libpixman-1-dev libfdt-dev zlib1g-dev gcc libc6-dev dpkg-dev python3
  . /etc/os-release; U=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -o 'https\?://[^ ]*/debian/\?\( \|$\)' | head -1)
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${U:?no Debian package source is configured} $VERSION_CODENAME main" >"$F/apt/sources.list"
  o="-oDir::Etc::SourceList=$F/apt/sources.list -oDir::Etc::SourceParts=/dev/null -oDir::State::Lists=$F/apt/lists -oDir::Cache=$F/apt/cache -oAPT::Sandbox::User=root"
  cd "$F"; apt-get $o update -qq; apt-get $o source -qq --download-only qemu
  rm -rf source; dpkg-source --no-check -x qemu_*.dsc source; mkdir source/build; cd source/build
  # not another Python that happens to be first in PATH: meson's modules are Debian's
  PATH=/usr/bin:/bin:/usr/sbin:/sbin ../configure --target-list=x86_64-softmmu --without-default-features --enable-kvm --disable-tcg \
    --enable-trace-backends=simple,log --disable-docs --disable-tools --disable-user --disable-werror
  PATH=/usr/bin:/bin:/usr/sbin:/sbin nice -n 19 ninja qemu-system-x86_64
} >"$F/build.log" 2>&1 || { tail -5 "$F/build.log" >&2; exit 1; }
echo "$P"
