"""Labels and variables, on the command line and in files, as docker 28's client reads and refuses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minidock.cli.flags import key_values
from minidock.errors import UsageError
from tests.support.command import Minidock

REFUSED_ROWS = {
    "": "invalid label '': empty name",
    "=x": "invalid label '=x': empty name",
    " =x": "invalid label ' =x': empty name",
    "a b=c": "label 'a b' contains whitespaces",
    "a\tb": "label 'a\tb' contains whitespaces",
}
REFUSED_FILES = {
    b"A=b\n=x\n": "no variable name on line 2 '=x'",
    b"\t=\n": "no variable name on line 1 '='",
    b"A B=c\n": "variable 'A B' contains whitespaces",
    b"export B=c": "variable 'export B' contains whitespaces",
    b"A=b\n\xff\xfe=1\n": "invalid utf8 bytes at line 2",
}
TAKEN = b'\xef\xbb\xbf# c\n\n  #d\nNO_SUCH_NAME\nHERE\n B= x \r\nC=\n"D"=1=2\n'


@pytest.mark.parametrize("row", REFUSED_ROWS)
def test_a_label_has_a_name(row: str) -> None:
    with pytest.raises(UsageError) as caught:
        key_values.labels((row,), flag="-l, --label")
    assert str(caught.value) == f'invalid argument "{row}" for "-l, --label" flag: {REFUSED_ROWS[row]}'
    assert caught.value.exit_code == 125


@pytest.mark.parametrize("content", REFUSED_FILES)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    for read in (key_values.labels, key_values.environment):
        with pytest.raises(UsageError) as caught:
            read((), (str(file),))
        assert str(caught.value).startswith(f"invalid env file ({file}): {REFUSED_FILES[content]}")


def test_what_is_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "mine")
    file = tmp_path / "file"
    file.write_bytes(TAKEN)
    assert key_values.environment((), (str(file),)) == ["HERE=mine", "B= x ", "C=", '"D"=1=2']
    assert key_values.labels(("C=3", " e=f"), (str(file),)) == {"B": " x ", "C": "3", '"D"': "1=2", " e": "f"}


@pytest.mark.parametrize("command", ["volume create", "network create", "create"])
def test_every_command_with_labels(minidock: Minidock, command: str) -> None:
    done = minidock(*command.split(), "--label", "=x", "alpine")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"label '=x': empty name" in done.stderr
    for kind in ("volume", "network"):
        assert b"alpine" not in minidock(kind, "ls").stdout


def test_a_zero_byte_in_a_file_is_refused(minidock: Minidock, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"A=b\0c\n")
    words = ("run", "--rm", "--network", "none", "--env-file", str(tmp_path / "file"), "alpine", "true")
    assert minidock("run", "--rm", "--network", "none", "alpine", "true", timeout=280).returncode == 0
    done = minidock(*words)
    assert done.returncode == 125
    assert b"environment variable value can't contain null" in done.stderr


def test_a_column_of_labels_has_the_last_word_for_a_title(minidock: Minidock) -> None:
    assert minidock("volume", "create", "--label", "org.example.some-kind=x", "labelled").returncode == 0
    template = 'table {{.Label "org.example.some-kind" | upper}}\\t{{.Name}}'
    done = minidock("volume", "ls", "-f", "name=labelled", "--format", template)
    assert done.stdout == b"some kind   VOLUME NAME\nX           labelled\n"
    assert minidock("volume", "rm", "labelled").returncode == 0
    for wrong in ("{{.Nope}}", "table {{index .Names 0}}"):
        assert minidock("ps", "--format", wrong).returncode == 1, "though there are no containers"


def test_a_map_is_sorted_and_words_are_quoted(minidock: Minidock) -> None:
    container = minidock("create", "--network", "none", "-l", "b=1", "-l", "a=2", "alpine", "echo", 'a "b"').stdout
    template = '{{json .Config.Labels}} {{printf "%q" .Config.Cmd}}'
    shown = minidock("inspect", "-f", template, container.decode().strip()).stdout.decode()
    assert shown == '{"a":"2","b":"1"} ["echo" "a \\"b\\""]\n'
    minidock("rm", container.decode().strip())


def test_index_of_what_is_not_there(minidock: Minidock) -> None:
    container = minidock("create", "--network", "none", "alpine").stdout.decode().strip()
    for template, shown in {
        '{{index .Config.Labels "x"}}|{{json (index .Config.Labels "x")}}': '|""',
        '{{index .NetworkSettings.Networks "x"}}': "<nil>",
        '{{index .NetworkSettings.Ports "80/tcp"}}|{{index .HostConfig.PortBindings "x"}}': "<no value>|<no value>",
        '{{index .HostConfig.Sysctls "x"}}|{{index .HostConfig.Tmpfs "x"}}': "|",
        '{{index .Config.Volumes "x"}}': "{}",
    }.items():
        done = minidock("inspect", "-f", template, container)
        assert (done.stdout.decode(), done.stderr) == (f"{shown}\n", b""), template
    assert json.loads(minidock("inspect", container).stdout)[0]["Config"]["Labels"] == {}
    minidock("rm", container)
