"""iptables(8): the packet filter's older language, which docker, ufw and many administrators speak.

There are two, unknown to each other, and one host can hold rules of both. `iptables-nft` writes into nftables, into
tables that only it understands. `iptables-legacy` speaks to a part of the kernel that nft does not see. Either chain is
changed through the command that keeps it.
"""

from __future__ import annotations

from minidock.errors import HostError
from minidock.linux import programs
from minidock.linux.nftables import first_line

COMMAND_NOT_FOUND = 127


def legacy_in_use(*, ipv6: bool) -> bool:
    """Whether the older iptables has a filter table in this network namespace.

    Asked of /proc, because asking iptables-legacy would load the module and make the table.
    """
    try:
        with open(f"/proc/thread-self/net/ip{'6' if ipv6 else ''}_tables_names", encoding="ascii") as file:
            return "filter" in file.read().split()
    except (FileNotFoundError, PermissionError):  # only the host's root may read it, even of a namespace of one's own
        return False


def rules(command: str) -> list[str] | None:
    """All of the filter table as `command` -S prints it; None if the command is missing or cannot read it."""
    done = _run([command, "-w", "-S"])
    return done.stdout.splitlines() if done.returncode == 0 else None


def change(command: str, *arguments: str) -> None:
    """Change a rule or chain. Raises `HostError` if it is refused."""
    done = _run([command, "-w", *arguments])
    if done.returncode:
        raise HostError(f"{command}: {first_line(done.stderr)}")


def replace_chain(command: str, chain: str, lines: list[str]) -> None:
    """Give a chain of the filter table, made if it is not there, exactly these rules, in one transaction."""
    text = "\n".join(["*filter", f":{chain} - [0:0]", *(f"-A {chain} {line}" for line in lines), "COMMIT\n"])
    restore = f"{command}-restore"
    done = _run([restore, "-w", "--noflush"], text)
    if done.returncode:
        raise HostError(f"{restore}: {first_line(done.stderr)}")


def _run(command: list[str], text: str | None = None) -> programs.Done:
    """Run a command. One that is not installed returns what a shell would say, 127."""
    try:
        return programs.run(command, text)
    except FileNotFoundError:
        return programs.Done(COMMAND_NOT_FOUND, "", f"{command[0]}: not found")
