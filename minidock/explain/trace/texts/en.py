"""English: a step's title in the code, and one sentence that says why the step is there."""

STEPS = {
    # The command
    "Fork the process that writes the trace":
        "It receives the steps and calls of all other processes and prints them in order, so it is forked first.",
    "Fork the container's monitor":
        "The monitor is the parent of the container's first process: it holds its terminal or pipes, and learns how "
        "it ends. There is one for each container, where Docker has one daemon for all.",
    "Fork the exec monitor":
        "The exec monitor is the parent of the new process: it holds its terminal or pipes, and learns how it ends.",
    "Create the container's directory and record":
        "A container exists on disk before it runs: its directory holds everything that it will change, and a lock on "
        "it is held by the process that looks after it.",
    "Write the record of a created container":
        "create ends here: the container is on disk, and nothing of it is in the kernel yet.",
    "Lock the container":
        "The lock on its directory keeps others from starting or removing it. It is held by the process that looks "
        "after the container, and the kernel releases it when that process dies.",
    "Load the overlay module":
        "Layers need the overlay file system, which many kernels load only when it is asked for.",
    "Ask whether a module could be loaded":
        "A module that is not loaded may be installed: modprobe looks for it, and loads nothing.",
    "Build the image by its recipe":
        "With no registry in reach, the image's own recipe makes it from its sources.",
    # Before the clone
    "Write the OCI bundle":
        "Everything that was asked for is in one file, config.json, in the standard form that runc reads too: from "
        "here on the command line is not looked at any more.",
    "Have the other runtime create the container":
        "With --runtime another program does what follows: it reads the bundle, makes the namespaces and stops before "
        "the container's program.",
    "Have the other runtime start the program":
        "The other runtime has left a process that waits: its command start lets that execute the program.",
    "Write hosts, hostname and resolv.conf":
        "The image's files of these names are another machine's: the container's own are written outside, and "
        "bind-mounted over them.",
    "Create a volume":
        "What a container writes into its own layer is removed with it: a volume is a directory of the host's, and "
        "stays.",
    "Mount a volume's file system":
        "A volume may be a file system of its own, from a disk, from memory or from another machine: it is mounted "
        "when the first container uses it.",
    "Copy the image's files into the new volume":
        "A volume hides what the image has at the same path, so a new one begins with a copy of that.",
    "Rename the unused volume":
        "From then on no command finds it, whatever interrupts the rest.",
    "Delete the volume's files":
        "That can take long, so it is done without the lock that other commands wait for.",
    "Unmount a volume's file system":
        "The last container that used it has ended: the disk, the memory or the other machine is released.",
    "Mount shared memory outside":
        "Other containers may join this one's IPC namespace: its /dev/shm is mounted on the host, so that they can "
        "mount it too.",
    "Unmount the shared memory":
        "It was this container's: containers that have joined it keep what they have mounted.",
    "Reserve the published ports":
        "Two programs cannot listen on one port: it is bound first, so that a container whose port is in use does not "
        "start at all.",
    "Compile the seccomp filter":
        "A small program for the kernel (BPF) says which system calls are allowed. It is compiled before the clone "
        "and cached, because that takes longer than all the rest.",
    "Create the control group, with its limits":
        "A control group limits the memory, the processor time and the number of processes of all that is in it: it "
        "is there, with its limits, before the first process.",
    "Write new limits to the cgroup":
        "Limits are files: a new number written there applies at once, to all processes in the group.",
    "Take a proc of the joined namespace":
        "A proc file system shows the process namespace of whoever mounts it, and in there, others could trace the "
        "process: so a copy of one that is mounted there is taken.",
    "Clone the first process into new namespaces":
        "One system call makes the container: a fork whose child has other mounts, processes, networks and names than "
        "its parent.",
    # Inside, until pivot_root
    "Set PR_SET_PDEATHSIG: die with the parent":
        "If the parent of this process is killed, the kernel kills this process too: none goes on without a "
        "parent that cleans up after it.",
    "Open the mounts shared with the host":
        "A volume may share its mounts with the host: such directories are opened before all other mounts are cut off.",
    "Create or join the other namespaces":
        "The root of a cgroup namespace is the group of the process that creates it: so the first process creates it, "
        "in its own group.",
    "Make all mounts slaves of the host's":
        "The new mount namespace is a copy of the host's: as slaves, its mounts follow changes on the host, but the "
        "host's do not follow changes here.",
    "Mount the layers with overlayfs":
        "All containers of an image share its read-only layers, and each writes only into a layer of its own: this is "
        "why starting one copies nothing.",
    "Mount proc, sys, dev and the volumes":
        "proc and sys show the kernel, each for the namespaces in which it was mounted; volumes are directories of "
        "the host's. All are mounted anew for this container.",
    "Create the device nodes":
        "Programs expect null, zero, random and the like: the host's disks are not among them.",
    "Create the working directory":
        "The program starts in this directory, so it has to be there before the root may become read-only.",
    "Create the init layer":
        "Places to mount on, such as /proc and /etc/hosts, in a layer between the image's and the container's own: an "
        "image may lack them, or have something else there.",
    "Create a null device for masks":
        "Files of proc that the container must not see are hidden by mounting a null device over them: it is made "
        "here, as a /dev/null of the container's could be anything.",
    "Change the root with pivot_root":
        "pivot_root exchanges the root of the mount namespace, and the old one is unmounted: unlike after chroot, no "
        "path leads back.",
    # Inside, after pivot_root
    "Open a pseudo-terminal":
        "It is in the container's own devpts: line editing, Ctrl-C and job control work inside, and the other end is "
        "held outside.",
    "Bring the loopback interface up":
        "A new network namespace has one interface, lo, and it is down: until it is up, nothing answers at localhost.",
    "Set the host name":
        "In a UTS namespace of its own, a new host name is one for this container only.",
    "Set kernel parameters":
        "Some parameters belong to a namespace, so a container may have values of its own.",
    "Mask parts of proc and sys":
        "proc and sys belong to the whole host: some of their files reveal details of it, or change it for all "
        "containers.",
    "Set the out-of-memory score":
        "It says which processes are killed first when the machine runs out of memory.",
    "Set the resource limits (ulimit)":
        "Resource limits belong to the process, and its children inherit them.",
    "Join a new session keyring":
        "The kernel keeps a ring of keys for each session: with a new one, the caller's keys are not accessible.",
    "Look up the program in the container's PATH":
        "This is done in the container's root, where the host's files of the same names are out of reach.",
    "Mount the layers for the user namespace":
        "Only the host's root can read what overlayfs notes in its files, so root of a user namespace cannot mount the "
        "layers: they are mounted for it, where no other process sees them, and handed on as a descriptor.",
    "Map the ids of the layers":
        "Root inside is another user outside, and the image's files belong to root on the disk: the kernel maps the "
        "ids on the way, so that no file is copied and none gets another owner.",
    "Ask whether ids can be mapped":
        "Not every file system can: where it cannot, the layers are copied instead.",
    "Copy the layers with other owners":
        "The kernel cannot map ids here: the image's files are copied once for this container, as files of its users.",
    "Give the writable layer to the container's root":
        "What the container writes belongs to its users, who are nobody else outside: so does the directory that "
        "it is written to.",
    "Map the ids of mounts":
        "In such a mount, files belong to others than on the disk: to those that the maps of a user namespace say.",
    "Set scheduling, personality and labels":
        "What the bundle asks for beside users and rights; most bundles ask for none of it.",
    "Set the domain name":
        "NIS's name for the machine, which belongs to the UTS namespace as the host name does.",
    "Run the hooks of the bundle":
        "Programs that whoever made the bundle has run at this moment; they are told of the container on their input.",
    "Wait for the start":
        "The parent connects the network and the caller's terminal, then sends the start.",
    # Power goes
    "Limit the capability bounding set":
        "Root's rights are divided into some forty capabilities: what is dropped from the bounding set cannot be had "
        "again, not even by a set-uid program.",
    "Set standard input, output and error":
        "All other descriptors are closed by execve: an open file of the host's would be a way out.",
    "Reset the signals":
        "execve leaves ignored signals ignored: the program does not inherit what Python or the caller ignores.",
    "Install the seccomp filter":
        "From here on the kernel runs the filter at every system call: of more than 300, those for administrators are "
        "refused.",
    "Set the user and the capabilities":
        "The program has the user and the capabilities that were asked for, and no more.",
    "Execute the program":
        "execve replaces minidock by the program, in the same process: the namespaces, the root and the limits made "
        "above are the program's.",
    "Write the pid and the start into the record":
        "There is no daemon to ask: other commands read the pid of the first process, and the rest, from this file.",
    "Make the monitor's socket again":
        "Somebody has emptied /run, and no command finds the monitor any more: on a signal it makes its socket again.",
    "Listen on the monitor's socket":
        "attach, stop and wait are other processes: they connect to the monitor by this name in the file system.",
    "Pass on the window size":
        "The kernel tells the programs on a terminal when its size changes; the container has another terminal than "
        "the caller.",
    "Replace the idle monitor by a small program":
        "A container may run for years: its monitor becomes a much smaller program, with the same pid and the same "
        "open files, until something happens.",
    # Networks
    "Choose a free subnet":
        "Addresses of containers must not be those of a network that the host can reach already.",
    "Create the bridge":
        "A bridge is a switch made of software: interfaces that are attached to it reach each other.",
    "Create the network":
        "A network is a name, a subnet and an interface of the host, mostly a bridge: containers on it reach each "
        "other, and those on others do not.",
    "Remove the network":
        "Its interface, its addresses and its rules are removed: this is possible while no container is on it.",
    "Reserve an address":
        "The container is a machine in a network: it gets the next free address, and keeps it while it runs.",
    "Connect the container to its networks":
        "The new network namespace is empty: it is connected from outside.",
    "Create the veth pair":
        "A veth pair is a virtual cable: one end is inside the container and is called eth0, the other is attached to "
        "the bridge.",
    "Create a VLAN interface":
        "It receives the frames on its parent that have its number in a tag, without the tag: one cable carries many "
        "networks.",
    "Create a dummy interface":
        "It leads nowhere: containers whose links have it as their parent reach each other and nobody else.",
    "Create a macvlan link on the parent":
        "It shares an interface of the host, its parent, and has a hardware address of its own: the container is one "
        "more machine on the network outside, without a bridge or a rule of the host between.",
    "Set the address of eth0":
        "The interface inside gets the address that was reserved.",
    "Set the default route":
        "Packets to addresses outside of the subnet are sent to the gateway: the bridge's address, that is, the host; "
        "on a macvlan network, the router outside.",
    "Add the container to the packet filter":
        "Outside the host, the container's address is unknown: the host replaces it by its own (masquerading), and "
        "forwards to the container what comes for a published port.",
    "Start the container's name server":
        "On a network that a user has created, containers find each other by name: a small name server at 127.0.0.11 "
        "inside answers.",
    "Connect the running container":
        "The container gets one more veth pair: it is not restarted.",
    "Disconnect the container from the network":
        "Its veth pair to this network is deleted while it runs, and the address is free again.",
    "Write the packet filter again":
        "Other programs may have flushed the rules: what they must be follows from which container is on which "
        "network, so they can be written again at any time.",
    "Read the packet filter's generation":
        "The kernel counts the changes of its rules: the number tells whether another program, such as a restarted "
        "firewall, has changed them.",
    "Release the container's networks":
        "The veth pair is deleted, and the address is free for the next container.",
    # The end
    "Tell the monitor what is asked":
        "The monitor has to know, before the container ends, whether that was asked for: a restart policy may start "
        "it again.",
    "Signal the container's first process":
        "The signal goes through a pidfd, which cannot refer to another process that has got the same number "
        "meanwhile.",
    "Clean up after the container":
        "The remaining processes of its control group are killed, the group and the veth pair removed: its files "
        "stay, except with --rm.",
    "Remove the container and its files":
        "The directory is renamed first: from then on no command finds the container, whatever interrupts the rest.",
    "Kill the processes of a damaged container":
        "The record cannot say which they are: they are found in /proc by their root directory.",
    "Clean up after a killed monitor":
        "A lock without a holder says that the monitor is dead: the next command does what it could not.",
    "Remove the networks' interfaces and rules":
        "Networks stay on record: when one is needed again, it gets another interface and rules of its own.",
    "Remove the containers' common cgroup":
        "All containers' groups were below it; with the last of them gone, it holds nothing.",
    # The runtime's own command line
    "Claim the id in the state directory":
        "The directory's name is the id, and mkdir fails if it is there: of two callers with one id, one has it.",
    "Record what will be made":
        "It is written before anything is made: whatever is killed, and whenever, a delete finds what there is.",
    "Move the process into cgroups of version 1":
        "Each controller has a tree of its own there, and only the tree of version 2 can be entered by the clone "
        "itself: the process waits until it has been moved.",
    "Write the first process into the record":
        "Its number, and when it was started: another process that gets the number later is not mistaken for it.",
    "Tell the caller which process it is":
        "From now on it is the caller's, or its subreaper's: nobody else will learn how it ends.",
    "Make the gate at which the process will wait":
        "create and start are two commands, perhaps hours apart: the process waits until somebody opens this fifo to "
        "read, so no process of minidock has to stay. A lock that it holds until execve says whether it still waits.",
    "Open the gate: the program may run":
        "Somebody reads at the fifo, so the process that waits there goes on. execve closes its end: that is how the "
        "start is known to have succeeded.",
    "Signal all processes of the container":
        "The cgroup knows them all, and a SIGKILL through it misses none that is being forked.",
    "Kill what is left, and remove the cgroup":
        "A directory of the cgroup tree can be removed only when no process is in it.",
    "Remove the state of the container":
        "The record goes after all that it tells of: a delete that is killed half-way can be repeated.",
    # exec, cp
    "Open a pidfd of the first process":
        "A pid is a number that may be given to another process: a pidfd refers to this one only, also when it has "
        "ended.",
    "Read the container's seccomp filter":
        "A process that comes in later has the same filter.",
    "Look up the user in the container's files":
        "Names of users are the container's: its passwd is read through a copy of its mounts, not by a process inside.",
    "Execute a new Python":
        "The memory of a process near a container could be read from inside: so it begins with memory of its own, and "
        "a few variables of the caller's environment.",
    "Forbid to execute this Python again":
        "Until a process in a container executes the container's program, it is minidock's Python, and /proc/PID/exe "
        "leads to the host's file. It runs from a mount on which that file can be neither written nor executed.",
    "Clone a process into the container's cgroup":
        "From its first instruction on, the new process has the container's limits. It is not in the container's "
        "namespaces yet.",
    "Close all other files, blank the arguments":
        "A process inside with the right to trace reads memory, environment and open files of any other: this one has "
        "none to be read.",
    "Join the container's namespaces":
        "setns moves this process into the namespaces of the container's PID 1. The process namespace applies to its "
        "children only: no process inside sees it yet.",
    "Hold the other end of the terminal open":
        "Reading a terminal fails once no process has its other end open. An init closes it for a moment and opens it "
        "again, so the monitor keeps it open until the process has ended.",
    "Keep the container that could not be started":
        "Its state and its error can be inspected, and it can be started again.",
    "Join the container's scope":
        "systemd kills the processes of a user's session at log-out: in the container's scope the exec monitor stays.",
    "Clone into the process namespace":
        "Processes inside may have the right to trace others: so this comes last, when the process has no more rights "
        "than any other of the container.",
    "Copy the container's mount tree":
        "Its files, volumes included, are reached through a copy of its mounts that hangs on a descriptor: no process "
        "enters the container.",
    "Set nodev and noexec on the copy":
        "A container may have put anything there: a command that reads its files opens no device, and executes "
        "nothing.",
    "Mount the layers outside of any namespace":
        "A container that does not run has no mounts: its layers are mounted for a moment, and hang on a descriptor.",
    # Images
    "Fork a helper that unpauses the container":
        "If this command were killed now, nobody would thaw the container: so a second process waits for the end of "
        "the first.",
    "Unpause the container":
        "The group is thawed: processes inside notice nothing but the time that has passed.",
    "Pause the container":
        "Freezing the control group stops all its processes at once: none writes a file while files are copied.",
    "Pack the changes as a layer":
        "All that the container has changed is in its writable layer: packed as an archive, that is a new layer of an "
        "image.",
    "Fork a process that builds a stage":
        "Stages that do not need each other are built at the same time, each by a process of its own.",
    "Give the stage a mount namespace":
        "What a stage mounts while it is built is seen by nobody else, and is gone when its process is.",
    "Mount the layers that files are copied from":
        "COPY --from and RUN --mount=from read another stage's files: its layers, mounted one above the other.",
    "Fetch the files of a git repository":
        "The program git fetches one commit into a directory of ours, which is then a context like any other.",
    "Give the output a mount namespace":
        "The result's layers are mounted to be read as one tree: nobody else sees that, and it is gone when we are.",
    "Pack what the command has changed as a layer":
        "A RUN's command wrote into the overlay's upper directory: what is there is the layer that this line makes.",
    "Unpack a layer":
        "A layer is a tar archive: it is unpacked once, and shared by every container from then on.",
    "Collect garbage":
        "Blobs and layers that no name and no container needs any more are removed.",
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
    "Name the name server in resolv.conf":
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
    "lost": "a call too long to be shown ({size} bytes)",
    "not_steppable": "there is no terminal to wait at: going on without stopping",
    "by_hand": "A container by hand: needs root, util-linux and iproute2, and nft where rules are written.",
    "another_id": "another one lets this run beside the original",
    "as_host_sees": "as the host sees it: proc is still the host's",
    "from_outside": "what is done from outside, once the namespaces are there",
    "until_buried": "until the kernel has removed the last process",
    "no_device_rules": "device rules: a BPF program, which no shell command makes",
    "no_filter": "the system call filter, which no shell command sets",
    "no_keyring": "a new session keyring: keyctl session, if the image had that command",
    "needs_setpriv": "busybox's setpriv cannot do this; where the image has util-linux, it is done",
}  # fmt: skip

PROCESSES = {
    "command": "the command",
    "monitor": "the monitor",
    "exec-monitor": "the exec monitor",
    "container": "the container's first process",
    "exec": "the process that exec adds",
    "helper": "a helper",
}  # fmt: skip

SHORT = {"command": "command", "monitor": "monitor", "exec-monitor": "exec monitor", "container": "container",
         "exec": "exec", "helper": "helper"}  # fmt: skip
