#!/usr/bin/env python3
"""Build the root file system of the `busybox` image: one static program under a few hundred names.

The program is the host's own (Debian: busybox-static). Everything else is written in this file; nothing else
of the host gets in.
"""

import hashlib
import io
import struct
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # the recipes may be installed where only the package manager should write
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import (  # noqa: E402
    RecipeError,
    add_member,
    arguments,
    run_recipe,
    run_tool,
    say,
    tarball,
    written_whole,
)

PACKAGE = "busybox-static"
PLACES = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
DPKG_SUMS = Path("/var/lib/dpkg/info/busybox-static.md5sums")
PT_INTERP = 3  # elf(5): the program header that names the dynamic loader


class Directory(NamedTuple):
    mode: int = 0o755
    owner: int = 0  # user and group alike


# As in the official image, whose skeleton is buildroot's. /home is nobody's home there.
DIRECTORIES = {
    **dict.fromkeys(("bin", "dev", "etc", "lib", "usr", "usr/bin", "usr/sbin"), Directory()),
    **dict.fromkeys(("var", "var/spool"), Directory()),
    "home": Directory(owner=65534),
    "root": Directory(mode=0o700),
    "tmp": Directory(mode=0o1777),
    "var/spool/mail": Directory(owner=8),
    "var/www": Directory(owner=33),
}

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""

GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
lp:x:7:
mail:x:8:
kmem:x:9:
wheel:x:10:root
cdrom:x:11:
dialout:x:18:
floppy:x:19:
video:x:28:
audio:x:29:
tape:x:32:
www-data:x:33:
operator:x:37:
utmp:x:43:
plugdev:x:46:
staff:x:50:
lock:x:54:
netdev:x:82:
users:x:100:
nobody:x:65534:
"""


def etc_files() -> Iterator[tuple[str, int, str]]:
    """Path, mode and content of every file in /etc."""
    yield "etc/passwd", 0o644, PASSWD
    yield "etc/group", 0o644, GROUP
    # "*": no password fits, root's neither. What follows are shadow(5)'s dates and limits.
    users = [line.partition(":")[0] for line in PASSWD.splitlines()]
    yield "etc/shadow", 0o600, "".join(f"{user}:*:10933:0:99999:7:::\n" for user in users)
    yield "etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"


def find_busybox() -> Path:
    for place in PLACES:
        if place.exists():
            return place
    raise RecipeError(f"no busybox on this machine (Debian: apt install {PACKAGE})")


def is_static(program: bytes) -> bool:
    """Whether an ELF program needs no dynamic loader: none of its program headers is PT_INTERP (elf(5)).

    Raises RecipeError for what is not ELF.
    """
    if program[:4] != b"\x7fELF" or program[4] not in (1, 2) or program[5] not in (1, 2):
        raise RecipeError("busybox is not an ELF program")
    order = "<" if program[5] == 1 else ">"  # e_ident[EI_DATA]
    try:
        if program[4] == 2:  # e_ident[EI_CLASS]: 64 bits. Offsets of e_phoff and e_phentsize differ.
            (table,) = struct.unpack_from(f"{order}Q", program, 32)
            size, count = struct.unpack_from(f"{order}HH", program, 54)
        else:
            (table,) = struct.unpack_from(f"{order}I", program, 28)
            size, count = struct.unpack_from(f"{order}HH", program, 42)
        types = [struct.unpack_from(f"{order}I", program, table + index * size)[0] for index in range(count)]
    except struct.error as error:
        raise RecipeError("busybox is cut short") from error
    return PT_INTERP not in types


def check_origin(place: Path, program: bytes) -> None:
    """Compare the program with the list that its Debian package came with; say what vouches for it."""
    if place not in PLACES or not DPKG_SUMS.exists():
        say(f"taking {place} as it is: no package list on this machine vouches for it")
        return
    for line in DPKG_SUMS.read_text().splitlines():
        listed, _, name = line.partition("  ")
        # It owns bin/busybox or, in later releases, usr/bin/busybox, and /bin may be a link to usr/bin.
        if Path("/", name) in PLACES:
            if hashlib.md5(program, usedforsecurity=False).hexdigest() != listed:
                raise RecipeError(f"{place} is not what the package {PACKAGE} installed: its MD5 sum differs")
            say(f"taking {place}, which has the MD5 sum that the package {PACKAGE} lists")
            return
    raise RecipeError(f"{DPKG_SUMS} lists no busybox")


def add_program(tar: tarfile.TarFile, name: str, program: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o755, len(program)
    add_member(tar, member, io.BytesIO(program))


def write_image(tar: tarfile.TarFile, program: bytes, applets: list[str]) -> None:
    """Write all members in sorted order; every time is 0 (1970), as TarInfo has it."""
    names = sorted({"busybox", *applets})
    files = {path: (mode, text.encode()) for path, mode, text in etc_files()}
    for path in sorted([*DIRECTORIES, *files, *(f"bin/{name}" for name in names), "usr/bin/env"]):
        member = tarfile.TarInfo(path)
        if path in DIRECTORIES:
            member.type = tarfile.DIRTYPE
            member.mode, member.uid = DIRECTORIES[path].mode, DIRECTORIES[path].owner
            member.gid = member.uid
            add_member(tar, member)
        elif path in files:
            member.mode, content = files[path]
            member.size = len(content)
            add_member(tar, member, io.BytesIO(content))
        elif path == "usr/bin/env":  # where scripts look for it (#!/usr/bin/env)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, "../../bin/env", 0o777
            add_member(tar, member)
        elif path == f"bin/{names[0]}":
            add_program(tar, path, program)
        else:  # a tarball holds a file once; its other names are hard links, as in the official image
            member.type, member.linkname, member.mode = tarfile.LNKTYPE, f"bin/{names[0]}", 0o755
            add_member(tar, member)


def build() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--busybox", type=Path, metavar="FILE", help="another static busybox than the host's")
    options = parser.parse_args()
    place = options.busybox or find_busybox()
    program = place.read_bytes()
    if not is_static(program):
        raise RecipeError(f"{place} is not static, as it must be (Debian: apt install {PACKAGE})")
    check_origin(place, program)
    applets = run_tool([place, "--list"], PACKAGE).split()
    say(f"packing busybox under {len(applets)} names")
    with written_whole(options.output) as partial, tarball(partial) as tar:
        write_image(tar, program, applets)


if __name__ == "__main__":
    run_recipe("busybox", build)
