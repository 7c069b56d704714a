"""-v, --mount, --tmpfs and --volumes-from as nobody can mean them: docker's answers, word by word."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

_BAD = "invalid volume specification: '{text}'"
_CHARACTERS = (
    'includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
    "If you intended to pass a host directory, use absolute path"
)
_RELATIVE = "invalid mount path: 'rel' mount path must be absolute"
_ROOT = "invalid specification: destination can't be '/'"

VOLUMES = {
    ":/x": "invalid spec: :/x: empty section between colons",
    "/x:": "invalid spec: /x:: empty section between colons",
    "a:b:c:d": _BAD,
    "/x:ro": _BAD,
    "data:rel": f'{_BAD}: invalid mount config for type "volume": {_RELATIVE}',
    "/tmp:rel": f'{_BAD}: invalid mount config for type "bind": {_RELATIVE}',
    "data:/": f'{_BAD}: invalid mount config for type "volume": {_ROOT}',
    "/tmp:/x/..": f'{_BAD}: invalid mount config for type "bind": {_ROOT}',
    "data:/d:foo": "invalid mode: foo",
    "data:/d:ro,rw": "invalid mode: ro,rw",
    "data:/d:rshared": f'{_BAD}: invalid mount config for type "volume": field BindOptions must not be specified',
    "/tmp:/d:nocopy": f'{_BAD}: invalid mount config for type "bind": field VolumeOptions must not be specified',
    "rel": "invalid mount path: 'rel' mount path must be absolute",
    "/": "invalid specification: destination can't be '/'",
    "x:/d": "create x: volume name is too short, names should be at least two alphanumeric characters",
    "a b:/d": f'create a b: "a b" {_CHARACTERS}',
    "_a:/d": f'create _a: "_a" {_CHARACTERS}',
    "data:/etc/passwd": "source /etc/passwd is not directory",
    "/etc/passwd": "cannot mount volume over existing file, file exists /etc/passwd",
}


@pytest.mark.parametrize("text", VOLUMES)
def test_v(run: Run, text: str) -> None:
    result = run("-v", text, "alpine", "true")
    assert (result.code, result.out, result.err) == (125, "", f"minidock: {VOLUMES[text].format(text=text)}\n")


_ARGUMENT = 'invalid argument "{text}" for "--mount" flag: '
_CONFIG = 'invalid mount config for type "{}": '
MOUNTS = {
    "": f"{_ARGUMENT}value is empty",
    "foo": f"{_ARGUMENT}invalid field 'foo' must be a key=value pair",
    "foo=x": f"{_ARGUMENT}unexpected key 'foo' in 'foo=x'",
    "type=bind, source=/tmp,target=/d": f"{_ARGUMENT}unexpected key ' source' in ' source=/tmp'",
    "type=bind,source=/tmp": f"{_ARGUMENT}target is required",
    "type=volume,target=/d,tmpfs-size=1m": f"{_ARGUMENT}cannot mix 'tmpfs-*' options with mount type 'volume'",
    "type=bind,source=/tmp,target=/d,volume-nocopy": f"{_ARGUMENT}cannot mix 'volume-*' options with mount type 'bind'",
    "source=vv,target=/d,bind-propagation=rslave": f"{_ARGUMENT}cannot mix 'bind-*' options with mount type 'volume'",
    "type=tmpfs,target=/d,tmpfs-mode=9": f"{_ARGUMENT}invalid value for tmpfs-mode: 9",
    "type=tmpfs,target=/d,tmpfs-size=x": f"{_ARGUMENT}invalid value for tmpfs-size: x",
    "type=bind,source=/tmp,target=/d,readonly=foo": f"{_ARGUMENT}invalid value for readonly: foo",
    "type=bind,source=/tmp,target=/d,bind-nonrecursive=x": f"{_ARGUMENT}invalid value for bind-nonrecursive: x",
    "type=bind,source=/tmp,target=/d,bind-recursive=x": (
        f'{_ARGUMENT}invalid value for bind-recursive: x (must be "enabled", "disabled", "writable", or "readonly")'
    ),
    "type=bind,source=/tmp,target=/d,bind-recursive=readonly": (
        f"{_ARGUMENT}option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"
    ),
    "type=x,target=/d": f"{_CONFIG.format('x')}mount type unknown",
    "type=bind,target=/d": f"{_CONFIG.format('bind')}field Source must not be empty",
    "type=bind,source=/nope,target=/d": f"{_CONFIG.format('bind')}bind source path does not exist: /nope",
    "type=bind,source=r,target=/d": f"{_CONFIG.format('bind')}invalid mount path: 'r' mount path must be absolute",
    "type=bind,source=/tmp,target=r": f"{_CONFIG.format('bind')}invalid mount path: 'r' mount path must be absolute",
    "type=bind,source=/tmp,target=/": f"{_CONFIG.format('bind')}invalid specification: destination can't be '/'",
    "type=bind,source=/tmp,target=/d,bind-propagation=foo": f"{_CONFIG.format('bind')}invalid propagation mode: foo",
    "type=tmpfs,source=x,target=/d": f"{_CONFIG.format('tmpfs')}field Source must not be specified",
    "target=/d,volume-subpath=x": f"{_CONFIG.format('volume')}must not set Subpath when using anonymous volumes",
    "source=vv,target=/d,volume-subpath=../x": (
        f"{_CONFIG.format('volume')}subpath must be a relative path within the volume"
    ),
    "type=volume,source=/tmp,target=/d": f'create /tmp: "/tmp" {_CHARACTERS}',
    "source=vv,target=/d,volume-driver=no": 'create vv: error looking up volume plugin no: plugin "no" not found',
    "source=vv,target=/d,volume-opt=foo=bar": 'create vv: invalid option: "foo"',
    "source=vv,target=/d,volume-opt=type=tmpfs": 'create vv: missing required option: "device"',
}


@pytest.mark.parametrize("text", MOUNTS)
def test_mount(run: Run, text: str) -> None:
    result = run("--mount", text, "alpine", "true")
    assert (result.code, result.out, result.err) == (125, "", f"minidock: {MOUNTS[text].replace('{text}', text)}\n")


OTHERS = {
    "--tmpfs rel": "invalid mount path: 'rel' mount path must be absolute",
    "--tmpfs /": "invalid specification: destination can't be '/'",
    "--tmpfs /d:foo": 'invalid tmpfs option ["foo"]',
    "--volumes-from nobody": "No such container: nobody",
    "--volumes-from x:foo": "invalid mode: foo",
    "--volumes-from x:nocopy": "invalid mode: nocopy",
    "--volumes-from x:rslave": "invalid mode: rslave",
    "--volumes-from :ro": "volumes-from specification cannot be an empty string",
    "--volume-driver no -v vv:/d": 'create vv: error looking up volume plugin no: plugin "no" not found',
    "-v /tmp:/d -v /usr:/d": "Duplicate mount point: /d",
    "-v /tmp:/d --tmpfs /d/": "Duplicate mount point: /d",
    "-v /tmp:/d --mount type=tmpfs,target=/d": "Duplicate mount point: /d",
    "-v {private}:/d:rshared": "path {private} is mounted on {private} but it is not a shared mount",
    "-v {private}:/d:rslave": "path {private} is mounted on {private} but it is not a shared or slave mount",
}


@pytest.mark.parametrize("words", OTHERS)
def test_others(run: Run, words: str, private: Path) -> None:
    result = run(*words.format(private=private).split(), "alpine", "true")
    assert (result.code, result.out) == (125, "")
    assert result.err == f"minidock: {OTHERS[words].format(private=private)}\n"
