#!/bin/sh
# First program in the new namespaces of a throw-away host: builds its file system over the machine's and becomes its
# process 1, which lives as long as somebody holds the other end of standard input.
#   enter.sh FOLDER NAME ENGINE-TREE-OR-EMPTY SHARED...
# FOLDER/{data,state,export} become /var/lib/docker, /var/lib/pynet and /export; SHARED folders are seen at the same path.
set -eu
folder=$1 name=$2 tree=$3
shift 3

mount -t tmpfs -o mode=755 tmpfs "$folder/mnt"
mkdir "$folder/mnt/upper" "$folder/mnt/work" "$folder/mnt/root"
# The upper layer is a tmpfs: the kernel refuses one that lies inside the lower layer.
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/mnt/upper,workdir=$folder/mnt/work" "$folder/mnt/root"
root=$folder/mnt/root
for point in proc sys dev run tmp etc/docker var/lib/docker var/lib/pynet var/lib/containerd export engine .old; do
    mkdir -p "$root/$point"
done

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"  # a new one shows this network namespace's /sys/class/net
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/lock" "$root/run/netns" "$root/run/docker/plugins"
mount --bind "$folder/data" "$root/var/lib/docker"  # a real disk: overlay2 needs an upper layer that is no overlay
mount --bind "$folder/state" "$root/var/lib/pynet"
mount --bind "$folder/export" "$root/export"
[ -z "$tree" ] || mount --bind "$tree" "$root/engine"
for shared in "$@"; do
    mkdir -p "$root/$shared"
    mount --bind "$shared" "$root/$shared"
done

rm -f "$root/etc/resolv.conf" "$root/etc/hosts" "$root/etc/docker/daemon.json"
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" >"$root/etc/hosts"
hostname "$name"
ip link set lo up

cd "$root"
pivot_root . .old
cd /
umount -l /.old
echo ready
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin docker-init -- cat >/dev/null
