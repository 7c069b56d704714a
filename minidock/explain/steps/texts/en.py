"""English: a step's title in the code, and one sentence that says why the step is there."""

STEPS = {
    # The command
    "a process that tells what the others do":
        "To tell a story in order, one process must hear all the others: it is forked before anything else.",
    "a monitor for the container, instead of a daemon":
        "Somebody must stay beside the container, hold its terminal and learn how it ends: here it is one small "
        "process per container, where Docker has a daemon for all.",
    "a keeper for the process that goes into the container":
        "Somebody must hold the new process's terminal or pipes, and learn how it ends.",
    "a name, a directory and a record":
        "A container exists on disk before it runs: its directory holds everything that it will change, and a "
        "lock on it says whether somebody looks after it.",
    "put away until it is started":
        "create ends here: the container is on disk, and nothing of it is in the kernel yet.",
    "the container claimed, so that nobody else starts or removes it":
        "A lock on its directory is held by whoever looks after it, and the kernel lets go of it when its holder "
        "dies.",
    "a kernel module":
        "Layers need the overlay file system, which many kernels load only when it is asked for.",
    "whether a kernel module could be loaded":
        "What the kernel has not loaded it may still have: modprobe looks for it, and loads nothing.",
    "the image built by its recipe, a program of its own":
        "With no registry in reach, the image's own recipe makes it from its sources.",
    # Before the clone
    "what the container is, written down as an OCI bundle":
        "All that the container will be is in one text, config.json, in the standard form that runc reads too: "
        "from here on nobody looks at the command line.",
    "files of its own for names: hosts, hostname, resolv.conf":
        "What an image has of these is another machine's: the container's own are written outside, and bound over"
        " them inside.",
    "a volume: a directory that outlives its containers":
        "What a container writes into its own layer goes with it: a volume is a directory of the host's, and "
        "stays.",
    "a volume's own file system":
        "A volume may be a file system of its own, from a disk, from memory or from another machine: it is "
        "mounted when the first container uses it.",
    "the image's files at that place, copied into the new volume":
        "A volume hides what the image has in its place, so a new one begins with a copy of that.",
    "a volume that nobody has, out of sight before it is emptied":
        "It is renamed first: from then on it is gone for everybody, whatever interrupts the rest.",
    "a volume emptied, where nobody finds it any more":
        "That can take long, so it is done without the lock that others wait for.",
    "a volume's file system, unmounted with its last container":
        "Nobody uses it any more, so the disk, the memory or the other machine is let go.",
    "shared memory where other containers find it":
        "A container whose IPC may be shared has its /dev/shm outside, where those who join it can mount it too.",
    "shared memory, taken away with its owner":
        "It was this container's: those who joined it keep what they have mounted, and no others come.",
    "ports of the host, before anybody else takes them":
        "Two programs cannot listen on one port: it is taken first, so that a container whose port is in use does"
        " not start at all.",
    "the system call filter, compiled or from the cache":
        "Which system calls the program may make is said by a small program for the kernel (BPF): it is made in "
        "advance, because that takes longer than all the rest.",
    "a control group with the limits":
        "A control group says how much memory, processor time and how many processes a group may use: it is "
        "there, with its limits, before the first process is born in it.",
    "other limits for the container's cgroup":
        "Limits are files: a new number written there counts at once, for all processes in the group.",
    "a process in namespaces of its own":
        "One system call makes the container: a fork whose child sees other mounts, processes, networks and names"
        " than its parent.",
    # Inside, until pivot_root
    "tied to its creator: dies when that dies":
        "If the process that made this one is killed, the kernel kills this one too: none is left that nobody "
        "looks after.",
    "hold of what is to stay shared with the host, if anything":
        "A volume may share its mounts with the host: such directories are held by descriptors before all other "
        "mounts are cut off.",
    "namespaces made from inside or joined":
        "The root of a cgroup namespace is the group in which its maker is: so it is made from inside.",
    "mounts of its own: what happens here stays here":
        "The new mount namespace is a copy of the host's: made a slave, it still hears of the host's mounts, but "
        "the host no longer of ours.",
    "the image's layers with a writable one on top":
        "All containers of an image share its read-only layers, and each writes only into a layer of its own: "
        "this is why starting one copies nothing.",
    "proc, sys, dev and the caller's directories":
        "These are windows to the kernel, and to directories of the host: each is mounted anew, with the view of "
        "this container's namespaces.",
    "devices: a handful of harmless ones":
        "Programs expect null, zero, random and the like: the host's disks are not among them.",
    "the working directory, if the image lacks it":
        "The program starts in this directory, so it has to be there before the root may become read-only.",
    "what every container has, whatever its image has in its place":
        "Places to mount on, such as /proc and /etc/hosts, in a layer between the image's and the container's own: an "
        "image may lack them, or have something else there.",
    "a null device to mask files with":
        "Files of proc that the container must not see are hidden by mounting a null device over them: it is made here,"
        " as a /dev/null of the container's could be anything.",
    "the new root: the host's files are gone from sight":
        "pivot_root exchanges the root of the mount namespace and lets the old one go: unlike after chroot, there"
        " is no way back, because nothing is there any more.",
    # Inside, after pivot_root
    "a terminal of its own":
        "A pseudo-terminal in the container's own devpts: line editing, Ctrl-C and job control work inside, and "
        "the monitor holds the other end.",
    "loopback up":
        "A new network namespace has one interface, lo, and it is down: until it is up, localhost answers nobody.",
    "a host name of its own":
        "In a UTS namespace of its own, a new host name is one for this container only.",
    "kernel parameters":
        "Some parameters belong to a namespace, so a container may have values of its own.",
    "parts of proc and sys masked or read-only":
        "proc and sys know no containers: some of their files tell too much about the host, or would change it "
        "for everybody.",
    "limits of the process itself":
        "Resource limits (ulimit) belong to the process, and its children inherit them.",
    "keys left outside":
        "The kernel keeps a ring of keys for each session: a new one leaves the caller's outside.",
    "the program is looked up, in the container's own PATH":
        "Now, in the new root, where the host's files of the same names are out of reach.",
    "everything is ready: wait for the start":
        "The house is built and nobody lives in it yet: the monitor connects the network and the caller's "
        "terminal, then says go.",
    # Power goes
    "most of root's power out of reach for ever":
        "Root's power is cut into some forty capabilities: what leaves the bounding set cannot come back, not "
        "even through a set-uid program.",
    "standard input, output and error; nothing else stays open":
        "An open file of the host's would be a way out: only these three are kept across execve.",
    "signals as a program expects to find them":
        "execve keeps ignored signals ignored: the program shall not inherit what Python or the caller ignores.",
    "system calls filtered":
        "From here on the kernel asks the filter at every system call: of more than 300, those for administrators"
        " are refused.",
    "root's power cut down, another user if asked for":
        "The program shall have the user and the capabilities that it was promised, and no more.",
    "the program takes over":
        "execve replaces minidock by the program, in the same process: all that was made above is now around it, "
        "and minidock is gone.",
    "it runs: written down for every other command":
        "There is no daemon to ask: what others need to know, its pid above all, is in a file.",
    "the monitor's socket, made anew where it was wiped":
        "Somebody has emptied /run, and nobody finds the monitor any more: a signal has it make its socket again.",
    "a socket for those who attach to it later, or wait for its end":
        "attach, logs, stop and wait come from other processes: they find the monitor by this name in the file "
        "system.",
    "the size of the window, passed on":
        "The kernel tells the programs on a terminal when its size changes; the container's terminal is another "
        "one.",
    "the monitor made small: a program that only waits":
        "A container may run for years: its monitor becomes a much smaller program, with the same pid and the "
        "same open files, and is itself again when something happens.",
    # Networks
    "a subnet that nothing else on this host uses":
        "Addresses of containers must not be those of a network that the host can reach already.",
    "a bridge on the host for the network":
        "A bridge is a switch made of software: whatever is plugged into it can talk to each other.",
    "a new network":
        "A network is a name, a subnet and a bridge: containers on it see each other, and those on others do not.",
    "a network is unmade":
        "Its bridge, its addresses and its rules go: it can be done while no container is on it.",
    "an address for the container":
        "The container is a machine in a network: it gets the next free address, and keeps it while it runs.",
    "cables to its networks":
        "The new network namespace is empty: it is connected from outside.",
    "a cable between the container and the bridge":
        "A veth pair is a virtual cable: one end lies inside the container and is called eth0, the other is "
        "plugged into the bridge.",
    "its address inside":
        "The interface inside gets the address, as any machine's does.",
    "the bridge as its way to everyone else":
        "What is for no neighbour is sent to the bridge, that is, to the host.",
    "the packet filter: the host's address towards the world, its published ports":
        "Outside, nobody knows the container's address: the host writes its own in its place and remembers the "
        "connection (masquerading), and sends on what comes for a published port.",
    "a name server of its own, for the names of its neighbours":
        "On a network of one's own making, containers find each other by name: a small name server at 127.0.0.11,"
        " inside, knows them.",
    "another network, for a container that runs":
        "A running container gets one more cable: nothing in it has to be started anew.",
    "the container leaves a network":
        "Its cable to this network is pulled while it runs, and the address is free.",
    "the packet filter, anew":
        "Others may have flushed the rules: what should hold follows from who is on which network, so it can be "
        "written again at any time.",
    "has somebody else changed the packet filter?":
        "The kernel counts the changes of its rules: one number tells whether anybody, such as a firewall that "
        "was restarted, has been at them.",
    "the container's cables and addresses go back":
        "The cable is pulled, and the address is free for the next container.",
    # The end
    "what is wanted of it, told to its monitor":
        "The monitor has to know, before the container ends, whether that is wanted: a restart policy may start "
        "it again.",
    "a signal for the container's first process":
        "The signal goes through a pidfd, which cannot mean another process that has got the same number "
        "meanwhile.",
    "everything undone":
        "What is left in its control group is killed, the group removed, the cable pulled: only its files stay, "
        "or go too with --rm.",
    "the container and its files removed":
        "The directory is renamed first: from then on the container is gone for everybody, whatever interrupts "
        "the rest.",
    "what a monitor that was killed has left behind":
        "A lock without a holder says that the monitor is dead: whoever finds that undoes what it could not.",
    # exec, cp
    "the container's first process, held by a descriptor":
        "A pid is a number that may be given to another process: a pidfd means this one for ever, also when it "
        "has ended.",
    "the container's system call filter, from the cache":
        "What comes in later is bound by the same filter.",
    "the user, looked up in the container's own files":
        "Names of users are the container's: its passwd is read through a copy of its mounts, not by a process "
        "that goes in.",
    "Become a program of its own, which knows little of its caller":
        "What comes near a container could be read from inside: so it begins with a memory of its own, and a few "
        "variables of the caller's environment.",
    "Let nobody inside run this Python":
        "Before a process in a container is the container's program, it is minidock's Python: from inside, that could "
        "be run, or overwritten for the next time. So it is run from a mount where neither can be done.",
    "Clone a process into the container's cgroup":
        "From its first instruction, the new process lives under the container's limits. Its own children will be "
        "the container's, but it is not yet.",
    "Take nothing along: no other open file, no words of the caller's":
        "Who has the right inside reads a process's memory, environment and open files as soon as it is there: so it "
        "brings nothing.",
    "Join the container's namespaces, all at once; that of processes for a child":
        "setns moves this process into the namespaces that the container's PID 1 is in. The process namespace is "
        "for its children only: nobody inside can see it yet.",
    "Be born into the container's process namespace, last of all":
        "A process is born into its process namespace, and others there may have the right to trace it: so this comes "
        "last, when it has no more than any process of the container.",
    "a copy of the container's mounts":
        "To reach its files, volumes included, its whole mount tree is copied and held by a descriptor: no "
        "process goes in.",
    "no device and no program in the copy works":
        "A container may have put anything there: whoever reads its files opens no device, and runs nothing.",
    "the container's layers mounted, where nobody sees it":
        "A container that does not run has no mounts: its layers are mounted for a moment, in no namespace.",
    # Images
    "a helper that lets the container go on, whatever becomes of us":
        "If this command were killed now, nobody would thaw the container: so a second process waits for the end "
        "of the first.",
    "the container goes on":
        "The group is thawed, and no process inside can tell that it was ever stopped, but by the clock.",
    "the container paused":
        "Files that are being written cannot be copied well: freezing the control group stops all its processes "
        "at once.",
    "what was changed becomes a layer":
        "All that the container has changed is in its writable layer: packed as an archive, that is a new layer "
        "of an image.",
    "unpack a layer":
        "A layer is a tar archive: it is unpacked once, and shared by every container from then on.",
    "collect garbage":
        "What no name and no container needs any more is removed.",
    "Look up the path on the host":
        "Links in a path are followed one by one, from the root on: what is copied must be the file that the user "
        "means.",
    "Look up the path in the container":
        "A path of the container's is looked up in its own tree (openat2 with RESOLVE_IN_ROOT): no link in it leads "
        "to a file of the host's.",
    "Copy the files as a tar stream":
        "The files are packed on one side and unpacked on the other, with their modes, dates and owners.",
    "Write the network into the container's record":
        "The record says on which networks the container is, also at its next start.",
    "Take the network out of the container's record":
        "At its next start the container is not on this network.",
    "Name the container's own name server in its resolv.conf":
        "Programs in the container ask the server that is named in this file: from now on that is the one that knows "
        "its neighbours.",
    "Replace the rules of an earlier name server":
        "Rules of an earlier run are still in this network namespace: they lead to a socket that is closed.",
    "Remove the temporary directory":
        "Files are fetched or unpacked in a directory of their own: what is finished was moved to its place, the rest "
        "goes.",
    "Write the index of images":
        "index.json lists the images and their names: an image exists from the moment that it is listed.",
    "Write the result of the health check into the record":
        "There is no daemon to ask: ps and inspect read from the record how the container is.",
    "Change the limits in the record":
        "The limits that the record says are those that the container has at its next start.",
}  # fmt: skip

LABELS = {
    "no_step": "outside of any step",
    "again": "(continued)",
    "book": "book",
    "code": "code",
    "shell": "shell",
    "see": "see",
    "does_not_return": "... does not return: the process is this program now",
    "more": "... and {count} more",
    "names": "shortened below; to use them in another terminal:",
    "prompt": "[Enter] do step {number}  [s NAME] skip to one  [c] run on  [q] unmake all:",
    "unknown_step": "no step has '{name}' in its title",
    "skipped_past": "no step was called '{name}'",
    "sum": "kernel calls: {calls}, steps: {steps}, processes: {processes}",
    "lost": "a call too long to be told ({size} bytes)",
    "not_steppable": "there is no terminal to wait at: going on without stopping",
    "by_hand": "A container by hand: needs root, util-linux and iproute2, and nft where rules are written.",
    "another_id": "another one lets this run beside the original",
    "as_host_sees": "as the host sees it: proc is still the host's",
    "from_outside": "what is done from outside, once the namespaces are there",
    "until_buried": "until the kernel has buried the last process",
    "no_device_rules": "device rules: a BPF program, which no shell command makes",
    "no_filter": "the system call filter, which no shell command sets",
    "no_keyring": "a new session keyring: keyctl session, if the image had that command",
    "needs_setpriv": "busybox's setpriv cannot do this; where the image has util-linux, it is done",
}  # fmt: skip

PROCESSES = {
    "command": "the command",
    "monitor": "the monitor",
    "keeper": "the keeper of the exec",
    "container": "the container's first process",
    "exec": "the process that goes in",
    "helper": "a helper",
}  # fmt: skip

SHORT = {"command": "command", "monitor": "monitor", "keeper": "keeper", "container": "container", "exec": "exec",
         "helper": "helper"}  # fmt: skip
