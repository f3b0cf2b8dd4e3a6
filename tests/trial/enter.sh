#!/bin/sh
# First program in the new namespaces of a bare machine: builds its file system and becomes its process 1, which lives as
# long as somebody holds the other end of standard input.
#   enter.sh BASE FOLDER NAME
set -eu
base=$1 folder=$2 name=$3
root=$folder/root
mkdir -p "$root" "$folder/upper" "$folder/work" "$folder/docker"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work" "$root"
mkdir -p "$root/.old" "$root/var/lib/docker" "$root/etc/docker"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount --bind "$folder/docker" "$root/var/lib/docker"  # overlay2 needs an upper layer that is no overlay
echo "{\"cgroup-parent\": \"/$name\"}" >"$root/etc/docker/daemon.json"  # so that what is left there can be removed
: >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost bare\n::1 localhost\n' >"$root/etc/hosts"
hostname bare
ip link set lo up
cd "$root"
pivot_root . .old
cd /
umount -l /.old
echo ready
exec cat >/dev/null
