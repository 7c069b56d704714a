#!/bin/sh
# PID 1 of the second kernel. uml.py starts it; it makes the host's files look like a small machine,
# runs one command and turns the power off. uml.py's kernel command line gives its two variables:
#   share     a directory of the host that may be written: holds `command`, gets `status`
#   checkout  the project's directory, which must stay visible whatever is mounted over its parents
#
# The root is hostfs, read-only: nothing done in here reaches the host's files.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/uml/checkout /run/uml/share /run/uml/lib /run/lock
mount --bind "$checkout" /run/uml/checkout
mount -t hostfs -o "$share" none /run/uml/share
mount -t tmpfs -o mode=1777 tmpfs /tmp

# Debian keeps this kernel's modules where modprobe does not look, and a read-only root has no place for
# them in /lib: so modprobe is told where, and so is the kernel, which calls it by itself for `mount -t
# overlay` and `ip link add type bridge`.
ln -s /usr/lib/uml/modules /run/uml/lib/modules
export MODPROBE_OPTIONS='-d /run/uml'
printf '#!/bin/sh\nexec /sbin/modprobe -d /run/uml "$@"\n' >/run/uml/modprobe
chmod +x /run/uml/modprobe
echo /run/uml/modprobe >/proc/sys/kernel/modprobe
modprobe -a overlay bridge veth loop

# Places that programs write to: changes stay in memory. An overlay cannot be the upper layer of another,
# hence the tmpfs where containers keep theirs.
for dir in etc var; do
    mkdir -p "/run/uml/upper/$dir" "/run/uml/work/$dir"
    mount -t overlay -o "lowerdir=/$dir,upperdir=/run/uml/upper/$dir,workdir=/run/uml/work/$dir" overlay "/$dir"
done
mkdir -p /var/lib/minidock
mount -t tmpfs -o mode=711 tmpfs /var/lib/minidock
[ -e "$checkout/tests/vm/init.sh" ] || { mkdir -p "$checkout" && mount --bind /run/uml/checkout "$checkout"; }

mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
ln -s /proc/self/fd /dev/fd       # udev's work elsewhere
ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr

ip link set lo up
hostname second-kernel

# /dev/tty1 is uml.py's terminal (/dev/console carries the kernel's own messages). Line ends pass as they
# are: whoever reads uml.py's output has a terminal of their own or none.
exec <>/dev/tty1 >&0 2>&1
stty -onlcr -echo
setsid --ctty --wait /bin/sh /run/uml/share/command
echo $? >/run/uml/share/status
exec /bin/busybox poweroff -f
