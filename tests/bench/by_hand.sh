#!/bin/bash
# tests/bench/by_hand.sh CODENAME FOLDER OVERLAYS.tar PACKAGES: what a person writes who has mmdebstrap and no other tool:
# a tree from the mirror, a disk from the tree, a boot loader on the disk.
set -eu

codename=$1 folder=$2 overlays=$3 packages=$4
tree=$folder/tree disk=$folder/disk.raw
mkdir -p "$folder"

mmdebstrap --quiet --variant=important "--include=$packages,linux-image-cloud-amd64,initramfs-tools,grub-pc,cloud-init,systemd-sysv,netplan.io" \
  --essential-hook="tar-in $overlays /" "$codename" "$tree"
printf 'LABEL=root / ext4 defaults 0 1\n' >"$tree/etc/fstab"

truncate -s 10G "$disk"
printf 'label: gpt\nstart=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649\nstart=4096\n' | sfdisk --quiet "$disk"
mke2fs -q -t ext4 -L root -d "$tree" -E offset=$((4096 * 512)) "$disk" $((10 * 1024 * 1024 - 4 * 1024))k
guestfish --format=raw -a "$disk" <<'COMMANDS'
run
mount /dev/sda2 /
command "grub-install --target=i386-pc /dev/sda"
command "update-grub"
COMMANDS
qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$disk" "$folder/disk.qcow2"
rm -rf "$tree" "$disk"
