"""`minidock ps`: docker's states, filters, columns and forms."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from minidock import durations
from minidock.cli.container import ps_columns
from minidock.engine.container.records import Record
from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock

Ok = Callable[..., str]
AGE = r"(Less than a second|1 second|\d+ seconds|About a minute)"

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


def names(ok: Ok, *words: str) -> list[str]:
    return ok("ps", *words, "--format", "{{.Names}}").split()


@pytest.fixture
def three(ok: Ok) -> Iterator[list[str]]:
    """Containers: `made`, `ended` (with 3), `up`; the newest is `up`."""
    ids = [ok("create", "--name", "made", "-l", "kind=x", "--network", "none", "busybox", "true")]
    ok("create", "--name", "ended", "-l", "kind=y", "-l", "z", "--network", "none", "alpine", "sh", "-c", "exit 3")
    ok("start", "ended")
    ids.append(ok("wait", "ended"))
    ids.append(ok("run", "-d", "--name", "up", "-p", "127.0.0.1:18080:80", "--expose", "90-92", "-v", "data:/data",
                  "-v", "/usr/share:/host:ro", "alpine", "sleep", "1000"))  # fmt: skip
    yield ids
    ok("rm", "-f", "made", "ended", "up")
    ok("volume", "rm", "data")


def test_states(ok: Ok, containers: Containers) -> None:
    ok("create", "--name", "one", "--network", "none", "alpine", "sleep", "1000")

    def shown() -> list[str]:
        return ok("ps", "-a", "--format", "{{.State}}|{{.Status}}").strip().split("|")

    assert shown() == ["created", "Created"]
    ok("start", "one")
    assert re.fullmatch(f"running Up {AGE}", " ".join(shown()))
    ok("pause", "one")
    assert re.fullmatch(rf"paused Up {AGE} \(Paused\)", " ".join(shown()))
    assert names(ok) == ["one"]
    ok("unpause", "one")
    ok("kill", "one")
    ok("wait", "one")
    assert re.fullmatch(rf"exited Exited \(137\) {AGE} ago", " ".join(shown()))
    assert names(ok) == []
    ok("rm", "one")
    ok("run", "-d", "--name", "two", "--network", "none", "--restart", "always", "alpine", "false")
    eventually(lambda: shown()[0] == "restarting" and shown())
    assert re.fullmatch(rf"restarting Restarting \(1\) {AGE} ago", " ".join(eventually(
        lambda: (found := shown())[0] == "restarting" and found)))  # fmt: skip
    assert names(ok) == ["two"]


def test_health_is_part_of_the_state(ok: Ok) -> None:
    ok("run", "-d", "--name", "one", "--network", "none", "--health-cmd", "test -e /ok", "--health-interval", "300ms",
       "--health-retries", "1", "alpine", "sleep", "1000")  # fmt: skip

    def shown() -> str:
        return ok("ps", "--format", "{{.Status}}")

    assert re.fullmatch(rf"Up {AGE} \((health: starting|unhealthy)\)\n", shown())
    eventually(lambda: names(ok, "-f", "health=unhealthy") == ["one"])
    assert re.fullmatch(rf"Up {AGE} \(unhealthy\)\n", shown())
    ok("exec", "one", "touch", "/ok")
    eventually(lambda: names(ok, "-f", "health=healthy") == ["one"])
    assert re.fullmatch(rf"Up {AGE} \(healthy\)\n", shown())
    assert names(ok, "-f", "health=starting", "-f", "health=none") == []


# What is asked for beside the format, and who is shown.
FILTERS: list[tuple[str, list[str]]] = [
    ("", ["up"]),
    ("-a", ["up", "ended", "made"]),
    ("-l", ["up"]),
    ("-n 2", ["up", "ended"]),
    ("-n 9 -f status=created", ["made"]),
    ("-f status=exited", ["ended"]),
    ("-f status=exited -f status=created", ["ended", "made"]),
    ("-a -f exited=3", ["ended"]),
    ("-a -f exited=0", []),
    ("-a -f name=e", ["ended", "made"]),
    ("-a -f name=^/?e.d", ["ended"]),
    ("-a -f name=/up", ["up"]),
    ("-a -f label=kind", ["ended", "made"]),
    ("-a -f label=kind=y", ["ended"]),
    ("-a -f label=kind -f label=z", ["ended"]),
    ("-a -f before=ended", ["made"]),
    ("-a -f since=made", ["up", "ended"]),
    ("-a -f ancestor=busybox", ["made"]),
    ("-a -f ancestor=nosuch", []),
    ("-f volume=data", ["up"]),
    ("-f volume=/host", ["up"]),
    ("-f volume=/usr/share", ["up"]),
    ("-f volume=/nosuch", []),
    ("-a -f network=none", ["ended", "made"]),
    ("-a -f network=bridge", ["up"]),
    ("-f publish=18080", ["up"]),
    ("-f publish=18000-19000/tcp", ["up"]),
    ("-f publish=80", []),
    ("-f publish=18080/udp", []),
    ("-f expose=91/tcp", ["up"]),
    ("-a -f health=none -f name=up", ["up"]),
    ("-a -f health=healthy", []),
    ("-a -f is-task=true", []),
]


def test_filters(ok: Ok, three: list[str]) -> None:
    found = [(words, names(ok, *words.split())) for words, _ in FILTERS]
    assert found == FILTERS


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        ("foo=bar", 1, "invalid filter 'foo'"),
        ("status=foo", 1, "invalid filter 'status=foo'"),
        ("health=foo", 1, "unrecognized filter value for health: foo"),
        ("exited=x", 1, "invalid filter 'exited=x'"),
        ("publish=x", 1, "error while looking up for publish x"),
        ("before=nosuch", 1, "No such container: nosuch"),
        ("name=[", 1, "invalid filter 'name=['"),
        ("foo", 125, "bad format of filter (expected name=value)"),
    ],
)
def test_bad_filters(engine: Minidock, value: str, code: int, why: str) -> None:
    done = engine("ps", "-f", value)
    assert done.returncode == code
    assert why in done.stderr.decode()


def test_columns(ok: Ok, three: list[str]) -> None:
    header, row = ok("ps", "-s").splitlines()
    columns = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", "SIZE"]
    assert re.split(" {3,}", header) == columns
    cells = re.split(" {3,}", row)
    assert cells[:3] == [three[2][:12], "alpine", '"sleep 1000"']
    assert re.fullmatch(f"{AGE} ago Up {AGE}", " ".join(cells[3:5]))
    assert cells[5:7] == ["90-92/tcp, 127.0.0.1:18080->80/tcp", "up"]
    assert re.fullmatch(r"[\d.]+k?B \(virtual [\d.]+MB\)", cells[7])
    assert ok("ps", "-q", "--no-trunc") == ok("container", "list", "-q", "--no-trunc") == three[2]
    assert ok("ps", "--format", 'table {{.Names}}\\t{{.Label "kind"}}', "-a") == (
        "NAMES     kind\nup        \nended     y\nmade      x\n"
    )
    (fields,) = map(json.loads, ok("ps", "--format", "json").splitlines())
    assert sorted(fields) == ["Command", "CreatedAt", "ID", "Image", "Labels", "LocalVolumes", "Mounts", "Names",
                              "Networks", "Platform", "Ports", "RunningFor", "Size", "State", "Status"]  # fmt: skip
    assert (fields["LocalVolumes"], fields["Networks"], fields["Size"]) == ("1", "bridge", "0B")
    assert sorted(fields["Mounts"].split(",")) == ["/usr/share", "data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+", fields["CreatedAt"])
    assert ok("ps", "-a", "--filter", "name=ended", "--format", "{{.Labels}} {{json .Names}}") == 'kind=y,z= "ended"\n'


def test_what_is_too_long(ok: Ok) -> None:
    command = ["sh", "-c", "echo 'a' \"b\"\n"]
    ok("create", "--name", "long", "--network", "none", "-v", "/usr/share/zoneinfo/posix:/a", "alpine", *command)
    assert ok("ps", "-a", "--format", "{{.Command}} {{.Mounts}}") == '"sh -c \'echo \'a\' \\"b\\"…" /usr/share/zon…\n'
    assert ok("ps", "-a", "--no-trunc", "--format", "{{.Command}} {{.Mounts}}") == (
        "\"sh -c 'echo 'a' \\\"b\\\"\\n'\" /usr/share/zoneinfo/posix\n"
    )


def test_an_image_that_has_lost_its_name(ok: Ok) -> None:
    ok("tag", "alpine", "ps-test:1")
    ok("create", "--name", "one", "--network", "none", "ps-test:1", "true")
    assert ok("ps", "-a", "--format", "{{.Image}}") == "ps-test:1\n"
    ok("rmi", "-f", "ps-test:1")
    image_id = ok("inspect", "-f", "{{.Image}}", "one").strip()
    assert ok("ps", "-a", "--format", "{{.Image}}") == image_id.removeprefix("sha256:")[:12] + "\n"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("x{{.Foo}}", 'failed to execute template: template: :1:3: executing "" at <.Foo>: '
                      "can't evaluate field Foo in type *formatter.ContainerContext"),
        ("{{.ID", "failed to parse template: template: :1: unclosed action"),
        ("{{foo}}", 'failed to parse template: template: :1: function "foo" not defined'),
    ],
)  # fmt: skip
def test_bad_templates(engine: Minidock, ok: Ok, template: str, why: str) -> None:
    ok("create", "--name", "one", "--network", "none", "alpine", "true")
    done = engine("ps", "-a", "--format", template)
    assert (done.returncode, done.stderr.decode()) == (1, f"minidock: {why}\n")


@pytest.mark.parametrize(
    ("command", "go_type"),
    [
        ("images", "*formatter.imageContext"),
        ("history alpine", "*formatter.historyContext"),
        ("network ls", "*network.networkContext"),
        ("system df", "*formatter.diskUsageImagesContext"),
    ],
)
def test_bad_templates_of_other_lists(engine: Minidock, command: str, go_type: str) -> None:
    read, made = (engine(*command.split(), "--format", text) for text in ("{{.Nope", "{{.Nope}}"))
    error = "minidock: template parsing error: template: :1"
    assert (read.returncode, read.stderr.decode()) == (1, f"{error}: unclosed action\n")
    assert (made.returncode, made.stderr.decode()) == (
        1, f'{error}:2: executing "" at <.Nope>: can\'t evaluate field Nope in type {go_type}\n'
    )  # fmt: skip


def test_what_a_template_may_do_with_titles(ok: Ok) -> None:
    ok("create", "--name", "one", "--network", "none", "alpine", "true")
    assert ok("ps", "-a", "--format", "table{{.Names}}\\t{{upper .Image}}") == "NAMES     IMAGE\none       ALPINE\n"
    title, line = ok("ps", "-a", "--format", 'table {{range split .Names "n"}}{{.}},{{end}}').splitlines()
    assert (title, line) == ("", "o,e,")


def test_a_whole_row(ok: Ok) -> None:
    ok("create", "--name", "one", "--network", "none", "alpine", "true")
    shown = ok("ps", "-a", "--format", "{{.}}")
    assert shown.startswith("map[Command:")
    assert "Names:one" in shown
    assert "function" not in shown


def test_quiet_wins_over_a_format(engine: Minidock, ok: Ok) -> None:
    container_id = ok("create", "--network", "none", "alpine", "true")
    done = engine("ps", "-a", "-q", "--format", "{{.Names}}")
    assert done.stdout.decode() == container_id[:12] + "\n"
    assert b"Ignoring custom format" in done.stderr


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ({"80/tcp": None}, "80/tcp"),
        ({"80/tcp": [("0.0.0.0", 8080), ("::", 8080)]}, "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        ({f"{n}/udp": [("0.0.0.0", n)] for n in (9000, 9001, 9002, 9004)},
         "0.0.0.0:9000-9002->9000-9002/udp, 0.0.0.0:9004->9004/udp"),
        ({"100/tcp": None, "101/tcp": None, "80/tcp": [("1.2.3.4", 80)], "82/tcp": [("0.0.0.0", 83)]},
         "1.2.3.4:80->80/tcp, 100-101/tcp, 0.0.0.0:83->82/tcp"),
    ],
)  # fmt: skip
def test_ports_as_docker_puts_them(ports: dict[str, list[tuple[str, int]] | None], expected: str) -> None:
    rows = {key: rows and [{"HostIp": ip, "HostPort": str(port)} for ip, port in rows] for key, rows in ports.items()}
    assert ps_columns.ports(Record("", "", {"ports": rows, "state": {"status": "running"}})) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.9, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (120, "2 minutes"),
        (3599, "59 minutes"), (3600, "About an hour"), (7200, "2 hours"), (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"), (15 * 86400, "2 weeks"), (61 * 86400, "2 months"), (750 * 86400, "2 years"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert durations.duration(seconds) == words


def test_churn(ok: Ok, engine: Minidock) -> None:
    """Looking while others come and go: no error, and never a container that is not one."""
    runners = [engine.start("run", "--rm", "--network", "none", "alpine", "true") for _ in range(6)]
    deadline = time.monotonic() + 30
    while any(runner.poll() is None for runner in runners) and time.monotonic() < deadline:
        for line in ok("ps", "-a", "--format", "{{.ID}} {{.State}}").splitlines():
            assert re.fullmatch(r"[0-9a-f]{12} (created|running|exited)", line)
    assert [runner.wait() for runner in runners] == [0] * 6
