"""What is on the disk and what goes when nobody needs it: volume commands, system df, and everything that prunes."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import Run
from tests.support.command import Minidock

Do = Callable[..., str]


@pytest.fixture
def do(minidock: Minidock, run: Run) -> Iterator[Do]:
    """`do(*words)`: minidock has to succeed; its output. There are no containers and volumes before and afterwards."""

    def do(*words: str, input: bytes = b"") -> str:
        done = minidock(*words, input=input)
        assert (done.returncode, done.stderr) == (0, b""), (words, done.stderr.decode())
        return done.stdout.decode()

    def clear() -> None:
        if ids := do("ps", "-a", "-q").split():
            do("rm", "-f", "-v", *ids)
        do("volume", "prune", "-a", "-f")

    clear()
    yield do
    clear()


def test_create_and_list(do: Do, minidock: Minidock) -> None:
    assert do("volume", "create", "one") == "one\n"
    assert do("volume", "create", "one", "--label", "late=x") == "one\n"  # it is there, and stays as it is
    assert do("volume", "create", "--label", "a=b", "--label", "c", "two") == "two\n"
    unnamed = do("volume", "create").strip()
    assert re.fullmatch("[0-9a-f]{64}", unnamed)
    width = 64 + 3
    lines = do("volume", "ls").splitlines()
    assert lines == ["DRIVER    VOLUME NAME", *(f"local     {name}" for name in sorted(["one", "two", unnamed]))]
    assert all(len(line) < 10 + width for line in lines)
    rows = [json.loads(line) for line in do("volume", "ls", "--format", "json").splitlines()]
    (two,) = [row for row in rows if row["Name"] == "two"]
    assert two == {
        "Availability": "N/A", "Driver": "local", "Group": "N/A", "Labels": "a=b,c=", "Links": "N/A",
        "Mountpoint": str(minidock.root / "volumes/two/_data"), "Name": "two", "Scope": "local", "Size": "N/A",
        "Status": "N/A",
    }  # fmt: skip
    assert do("volume", "ls", "-f", "label=a", "--format", '{{.Name}} {{.Label "a"}}') == "two b\n"
    (shown,) = json.loads(do("volume", "inspect", "two"))
    created = shown.pop("CreatedAt")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)
    assert shown == {
        "Driver": "local", "Labels": {"a": "b", "c": ""}, "Mountpoint": str(minidock.root / "volumes/two/_data"),
        "Name": "two", "Options": None, "Scope": "local",
    }  # fmt: skip


def test_filters(do: Do) -> None:
    do("volume", "create", "--label", "a=b", "labelled")
    do("volume", "create", "plain")
    do("run", "--name", "user", "--network", "none", "-v", "used:/u", "alpine", "true")
    found = {
        "name=l": ["labelled", "plain"],
        "label=a": ["labelled"],
        "label=a=b": ["labelled"],
        "label=a=c": [],
        "driver=local": ["labelled", "plain", "used"],
        "driver=other": [],
        "dangling=true": ["labelled", "plain"],
        "dangling=0": ["used"],
    }
    for filter_, names in found.items():
        assert do("volume", "ls", "-q", "-f", filter_).split() == names, filter_
    assert do("volume", "ls", "-q", "-f", "name=l", "-f", "dangling=1", "-f", "label=a").split() == ["labelled"]


REFUSED = {
    "volume create /abc": 'create /abc: "/abc" includes invalid characters for a local volume name',
    "volume create a": "create a: volume name is too short, names should be at least two alphanumeric characters",
    "volume create ..": 'create ..: ".." includes invalid characters',
    "volume create -o foo=bar bad": 'create bad: invalid option: "foo"',
    "volume create -o type=tmpfs bad": 'create bad: missing required option: "device"',
    "volume create -o device=tmpfs bad": 'create bad: missing required option: "type"',
    "volume create -d nope bad": 'create bad: error looking up volume plugin nope: plugin "nope" not found',
    "volume create --name one two": "conflicting options: cannot specify a volume-name through both --name and as a",
    "volume ls -f foo=x": "Invalid filter 'foo'",
    "volume ls -f dangling=x": "Invalid filter 'dangling=[x]'",
    "volume inspect nope": "get nope: no such volume",
    "volume rm nope": "get nope: no such volume",
    "volume rm ..": "get ..: no such volume",
    "volume prune -f --filter foo=x": "Invalid filter 'foo'",
    "volume prune -f -a --filter all=1": "conflicting options: cannot specify both --all and --filter all=1",
    "container prune -f --filter foo=x": "invalid filter 'foo'",
    "container prune -f --filter until=x": "invalid filter 'until=x'",
    "system prune -f --volumes --filter until=1h": 'The "until" filter is not supported with "--volumes"',
    "system df --format {{.Nope}}": "template",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(minidock: Minidock, words: str) -> None:
    done = minidock(*words.split())
    assert done.returncode == 1
    assert REFUSED[words] in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_rm(do: Do, minidock: Minidock) -> None:
    do("volume", "create", "one")
    done = minidock("volume", "rm", "nope", "one")
    assert (done.returncode, done.stdout) == (1, b"one\n")
    assert do("volume", "rm", "-f", "one") == "one\n"
    assert do("volume", "ls", "-q") == ""


QUESTIONS = {
    "container prune": "WARNING! This will remove all stopped containers.\n",
    "volume prune": "WARNING! This will remove anonymous local volumes not used by at least one container.\n",
    "volume prune --all": "WARNING! This will remove all local volumes not used by at least one container.\n",
    "system prune": "WARNING! This will remove:\n  - all stopped containers\n"
                    "  - all networks not used by at least one container\n  - all dangling images\n"
                    "  - unused build cache\n\n",
    "system prune -a --volumes": "WARNING! This will remove:\n  - all stopped containers\n"
                                 "  - all networks not used by at least one container\n"
                                 "  - all anonymous volumes not used by at least one container\n"
                                 "  - all images without at least one container associated to them\n"
                                 "  - all build cache\n\n",
    "builder prune": "WARNING! This will remove all dangling build cache.\n",
    "builder prune -a": "WARNING! This will remove all build cache.\n",
}  # fmt: skip


def test_nothing_goes_without_a_yes(do: Do) -> None:
    do("create", "--name", "kept", "-v", "/x", "alpine", "true")
    do("volume", "create")
    for number, (words, warning) in enumerate(QUESTIONS.items()):
        out = do(*words.split(), input=(b"n\n", b"\n", b"")[number % 3])
        assert out.startswith(f"{warning}Are you sure you want to continue? [y/N] ")
    assert len(do("ps", "-a", "-q").split()) == 1
    assert len(do("volume", "ls", "-q").split()) == 2


def test_filters_are_told_before_the_question(do: Do) -> None:
    out = do("system", "prune", "--filter", "label=x", "--filter", "until=1h", input=b"n\n")
    assert out == (
        f"{QUESTIONS['system prune']}  Items to be pruned will be filtered with:\n  - label=x\n  - until=1h\n\n"
        "Are you sure you want to continue? [y/N] "
    )


@pytest.fixture
def inhabited(do: Do) -> Do:
    """A running container, one that has ended, one that was only created; three volumes, one of them used."""
    fill = "head -c 5000 /dev/zero >/n/f; head -c 3000 /dev/zero >/x; exec sleep 1000"
    do("run", "-d", "--name", "running", "--network", "none", "-v", "named:/n", "alpine", "sh", "-c", fill)
    do("run", "--name", "ended", "--network", "none", "-l", "who=ended", "alpine", "sh", "-c",
       "head -c 2000 /dev/zero >/x")  # fmt: skip
    do("create", "--name", "created", "-v", "/a", "alpine", "true")
    do("volume", "create", "unused")
    while "5kB" not in do("system", "df", "--format", "{{.Type}} {{.Size}}"):
        continue
    return do


def test_df(inhabited: Do) -> None:
    rows = [re.split(r"\s{2,}", line) for line in inhabited("system", "df").splitlines()]
    assert rows[0] == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    kinds = {row[0]: row[1:] for row in rows}
    assert kinds["Containers"] == ["3", "1", "5kB", "2kB (40%)"]
    assert kinds["Local Volumes"] == ["3", "2", "5kB", "0B (0%)"]
    assert re.fullmatch(r"\d+ 0 \S+B \S+B", " ".join(kinds["Build Cache"]))
    assert kinds["Images"][1] == "1"
    everything = json.loads(inhabited("system", "df", "-v", "--format", "json"))
    assert {row["Names"]: (row["Size"], row["LocalVolumes"]) for row in everything["Containers"]} == {
        "running": ("3kB", "1"), "ended": ("2kB", "0"), "created": ("0B", "1")
    }  # fmt: skip
    named = {row["Name"]: (row["Links"], row["Size"]) for row in everything["Volumes"] if len(row["Name"]) < 64}
    assert named == {"named": ("1", "5kB"), "unused": ("0", "0B")}
    (alpine,) = [row for row in everything["Images"] if row["Repository"] == "alpine"]
    assert alpine["Containers"] == "3"
    titles = [line for line in inhabited("system", "df", "-v").splitlines() if line.endswith(":")]
    assert titles == ["Images space usage:", "Containers space usage:", "Local Volumes space usage:"]


def test_container_prune(inhabited: Do) -> None:
    ids = {name: inhabited("inspect", "-f", "{{.Id}}", name).strip() for name in ("ended", "created", "running")}
    assert inhabited("container", "prune", "-f", "--filter", "until=1h") == "Total reclaimed space: 0B\n"
    out = inhabited("container", "prune", "-f", "--filter", "label!=who")
    assert out == f"Deleted Containers:\n{ids['created']}\n\nTotal reclaimed space: 0B\n"
    out = inhabited("container", "prune", "-f")
    assert out == f"Deleted Containers:\n{ids['ended']}\n\nTotal reclaimed space: 2kB\n"
    assert inhabited("ps", "-a", "-q", "--no-trunc") == f"{ids['running']}\n"
    assert len(inhabited("volume", "ls", "-q").split()) == 3


def test_system_prune(inhabited: Do) -> None:
    inhabited("network", "create", "lonely")
    inhabited("image", "prune", "-f")  # those of other tests
    inhabited("builder", "prune", "-a", "-f")
    out = inhabited("system", "prune", "-f", "--volumes")
    assert re.fullmatch(
        r"Deleted Containers:\n([0-9a-f]{64}\n){2}\nDeleted Networks:\nlonely\n\n"
        r"Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 2kB\n",
        out,
    ), out
    assert inhabited("volume", "ls", "-q").split() == ["named", "unused"]
    assert inhabited("ps", "--format", "{{.Names}}") == "running\n"
