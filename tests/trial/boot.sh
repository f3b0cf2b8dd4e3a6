#!/bin/sh
# First program in the new namespaces of a bare machine that has systemd: builds its file system and becomes systemd.
#   boot.sh BASE FOLDER NAME
# It has devices, settings of the kernel and control groups of its own as far as there are such, and reads the others.
set -eu
base=$1 folder=$2 name=$3
root=$folder/root groups=/sys/fs/cgroup
[ ! -d /sys/fs/cgroup/unified ] || groups=/sys/fs/cgroup/unified
mkdir -p "$groups/$name" "$root" "$folder/upper" "$folder/work" "$folder/docker"
echo 0 >"$groups/$name/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work" "$root"
mkdir -p "$root/.old" "$root/var/lib/docker" "$root/etc/docker"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,rw "$root/proc/sys/net"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind "$groups" "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$folder/docker" "$root/var/lib/docker"  # overlay2 needs an upper layer that is no overlay
options='"exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/'$name'/containers"'
echo "{$options}" >"$root/etc/docker/daemon.json"
: >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost bare\n::1 localhost\n' >"$root/etc/hosts"
hostname bare
ip link set lo up
cd "$root"
pivot_root . .old
cd /
umount -l /.old
echo ready
exec env -i container=pynet-trial PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd </dev/null >/run/boot.log 2>&1
