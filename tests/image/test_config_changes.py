"""`commit --change` and `import --change`: what docker 26 makes of each instruction, variables and errors included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minidock.errors import UsageError
from minidock.image import config_changes
from tests.support.command import Minidock

ENV = ["A=1", "B=x y", "E="]

CHANGED: dict[str, dict[str, Any]] = {
    'ENV C=$B D="$B" F=${Q:-z} G=\\$A': {"Env": [*ENV, "C=x y", "D=x y", "F=z", "G=$A"]},
    "ENV C $B": {"Env": [*ENV, "C=x y"]},
    "  env   A=5  ": {"Env": ["A=5", *ENV[1:]]},
    "ENV A=7\nENV B=$A": {"Env": ["A=7", "B=7", "E="]},
    'LABEL a=$A "b c"=${B}': {"Labels": {"a": "1", "b c": "x y"}},
    "USER $A": {"User": "1"},
    "USER a b": {"User": "a b"},
    "EXPOSE $A 80/UDP": {"ExposedPorts": {"1/tcp": {}, "80/udp": {}}},
    "EXPOSE 1-3/udp": {"ExposedPorts": {"1/udp": {}, "2/udp": {}, "3/udp": {}}},
    "VOLUME $B /b": {"Volumes": {"x y": {}, "/b": {}}},
    'VOLUME ["/c d"]': {"Volumes": {"/c d": {}}},
    "STOPSIGNAL $A": {"StopSignal": "1"},
    "STOPSIGNAL sigterm": {"StopSignal": "sigterm"},
    "WORKDIR $A/../b/": {"WorkingDir": "/b"},
    'WORKDIR "/x y"': {"WorkingDir": "/x y"},
    "CMD echo $A": {"Cmd": ["/bin/sh", "-c", "echo $A"]},
    'CMD ["echo", "$A"': {"Cmd": ["/bin/sh", "-c", '["echo", "$A"']},
    'CMD ["q"]': {"Cmd": ["q"]},
    'ENTRYPOINT ["e"]': {"Entrypoint": ["e"], "Cmd": None},  # the command was for another entrypoint
    'ENTRYPOINT ["e"]\nCMD ["q"]': {"Entrypoint": ["e"], "Cmd": ["q"]},
    "HEALTHCHECK --interval=3s CMD x": {"Healthcheck": {"Test": ["CMD-SHELL", "x"], "Interval": 3 * 10**9}},
    "ONBUILD ENV x $A": {"OnBuild": ["ENV x $A"]},
}

REFUSED = {
    "": "file with no instructions",
    "# c": "file with no instructions",
    "FROM x": "FROM is not a valid change command",
    "SHELL [\"a\"]": "SHELL is not a valid change command",
    "EXPOSE 80/TCP 81/x": "Invalid proto: x",
    "EXPOSE 99999": "Invalid containerPort: 99999",
    'VOLUME ""': "VOLUME specified can not be an empty string",
    "CMD [1]": "when using JSON array syntax, arrays must be comprised of strings only",
    "HEALTHCHECK --interval=1x CMD y": 'time: unknown unit "x" in duration "1x"',
    "HEALTHCHECK": "HEALTHCHECK requires at least one argument",
    "ONBUILD FROM x": "FROM isn't allowed as an ONBUILD trigger",
    "LABEL a": "LABEL must have two arguments",
    "ENV =x": "ENV names can not be blank",
    "ENV A=1 x": "Syntax error - can't find = in \"x\". Must be of the form: name=value",
    "USER": "USER requires exactly one argument",
    "STOPSIGNAL NOPE": "invalid signal: NOPE",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED)
def test_a_change(change: str) -> None:
    config = {"Env": list(ENV), "Cmd": ["sh"]}
    config_changes.apply([change], config)
    wanted = {"Env": list(ENV), "Cmd": ["sh"], **CHANGED[change]}
    assert config == {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize("change", REFUSED)
def test_what_is_refused_changes_nothing(change: str) -> None:
    config = {"Env": list(ENV)}
    with pytest.raises(UsageError) as failure:
        config_changes.apply(["ENV A=9", change], config)
    assert REFUSED[change] in str(failure.value)
    assert config == {"Env": ENV}


@pytest.mark.parametrize(
    ("flags", "changes", "entrypoint", "command"),
    [
        (["--entrypoint", "x"], ["ENTRYPOINT []"], ["x"], ["y", "z"]),
        (["--entrypoint", "x"], ["CMD []"], ["x"], None),
        (["--entrypoint", "x"], ['ENTRYPOINT ["e"]'], ["e"], None),
        ([], ["CMD []"], None, ["y", "z"]),
        ([], ["ENV B=$A/x"], None, ["y", "z"]),
    ],
)
def test_what_a_change_empties_is_the_containers_again(
    engine: Minidock, flags: list[str], changes: list[str], entrypoint: object, command: object
) -> None:
    assert engine("create", "--name", "changed", "-e", "A=1", *flags, "alpine", "y", "z").returncode == 0
    words = [word for change in changes for word in ("-c", change)]
    try:
        done = engine("commit", *words, "changed", "changes")
        assert (done.returncode, done.stderr) == (0, b"")
        [found] = json.loads(engine("image", "inspect", "changes").stdout)
    finally:
        engine("rm", "changed")
        engine("rmi", "changes")
    assert (found["Config"]["Entrypoint"] or None, found["Config"]["Cmd"] or None) == (entrypoint, command)
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert found["Config"]["Env"] == ["A=1", path, *(["B=1/x"] if changes == ["ENV B=$A/x"] else [])]
