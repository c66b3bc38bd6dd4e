#!/bin/bash
# tests/bench/floor.sh TREE.tar FOLDER OVERLAYS.tar PACKAGE… prepare|install, in a mount namespace of its own:
# the bare work of apt in a base's tree on overlayfs, with nothing saved to disk before the end and nothing to download.
set -eu

tree=$1 folder=$2 overlays=$3
verb=${*: -1}
packages=("${@:4:$#-4}")
root=$folder/root

enter() { # PROGRAM…: in the tree
  mkdir -p "$root"
  mount -t overlay overlay -o "lowerdir=$folder/lower,upperdir=$folder/$verb,workdir=$folder/work" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mkdir -p "$root"/var/{cache/apt/archives,lib/apt/lists/partial,log/apt}
  mount --bind "$folder/archives" "$root/var/cache/apt/archives"
  mount --bind "$folder/resolv.conf" "$root/etc/resolv.conf"
  DEBIAN_FRONTEND=noninteractive chroot "$root" /bin/sh -euc "$@"
}

if [ "$verb" = prepare ]; then
  mkdir -p "$folder"/{lower,work,prepare,install,archives/partial}
  tar --warning=no-unknown-keyword --numeric-owner --xattrs --xattrs-include='*' -C "$folder/lower" -xf "$tree"
  tar -C "$folder/lower" -xf "$overlays"
  printf '#!/bin/sh\nexit 101\n' >"$folder/lower/usr/sbin/policy-rc.d"
  chmod 755 "$folder/lower/usr/sbin/policy-rc.d"
  rm -f "$folder/lower/etc/resolv.conf"
  touch "$folder/lower/etc/resolv.conf"
  cp -L /etc/resolv.conf "$folder/resolv.conf"
  # shellcheck disable=SC2016
  enter 'apt-get -q update; apt-get -q -y --no-install-recommends --download-only install "$@"' sh "${packages[@]}"
else
  # shellcheck disable=SC2016
  enter 'apt-get -q update; apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install "$@"' sh "${packages[@]}"
fi
