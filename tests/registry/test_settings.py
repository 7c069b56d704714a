"""Settings, proxies and credentials: what is written where, and what it means."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from minidock.engine.images.registry_config import registry_settings
from minidock.errors import UsageError
from minidock.image.registry.proxies import proxy_for
from minidock.image.registry.registry_settings import Settings
from tests.registry.conftest import PASSWORD, USER, User
from tests.registry.stub import Request, Stub

PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://anything.example", True),
        ("http://localhost:5000", True),
        ("http://127.3.4.5", True),
        ("http://[::1]:5000", True),
        ("http://registry.localhost", True),
        ("http://localhost.example", False),
        ("http://registry.lan:5000", True),
        ("http://registry.lan:5001", False),
        ("http://any.lan:1234", True),
        ("http://10.1.200.3:5000", True),
        ("http://10.2.0.1", False),
        ("http://mirror.example:81", True),
        ("http://mirror.example", False),
        ("ftp://localhost", False),
    ],
)
def test_plain_http_is_for_loopback_and_for_what_is_configured(url: str, allowed: bool) -> None:
    settings = Settings({"docker.io": ("http://mirror.example:81",)}, ("registry.lan:5000", "any.lan", "10.1.0.0/16"))
    assert settings.may_be_plain(url) is allowed


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[registries", "cannot be read"),
        ("[registries]\ninsecure = 'x'", "list of strings"),
        ("[registries]\ndownloads = 0", "number from 1 to 32"),
        ("[registries]\ntypo = 1", "registries.typo"),
        ("[registries.mirrors]\n'docker.io' = ['mirror.example']", "https://mirror.example.com"),
        ("registries = 1", "must be a table"),
    ],
)
def test_a_wrong_setting_is_named(text: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    monkeypatch.setenv("MINIDOCK_CONFIG", str(path))
    with pytest.raises(UsageError) as caught:
        registry_settings()
    assert word in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "https://a.example", False),
        ("*", "https://a.example", True),
        ("example", "https://a.example", True),
        (".a.example", "https://a.example", False),
        (".example, other", "https://a.example", True),
        ("a.example:443", "https://a.example", True),
        ("a.example:444", "https://a.example", False),
        ("10.0.0.0/8", "http://10.1.1.1:5000", True),
        ("10.0.0.0/8", "http://11.1.1.1:5000", False),
        ("::2", "http://[::2]:5000", True),
        ("", "http://localhost:5000", True),
        ("", "http://127.0.0.2:5000", True),
    ],
)
def test_proxies_are_those_of_the_environment(
    no_proxy: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "proxy.lan:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_for(url) == (None if direct else "http://proxy.lan:3128")


def test_a_pull_goes_through_the_proxy(stub: Stub, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub is the proxy: asked for http://registry.lan, it answers as that."""
    stub.add_image("app")

    def strip(request: Request) -> bool:
        request.path = request.path.removeprefix("http://registry.lan")
        return False

    stub.faults.append(strip)
    user.configure('[registries]\ninsecure = ["registry.lan"]\n')
    environment = {**user.environment, "HTTP_PROXY": f"http://me:secret@{stub.host}"}
    monkeypatch.setattr(User, "environment", environment)
    user.works("pull", "registry.lan/app")
    assert stub.seen[0][1].startswith("http://registry.lan/v2/")
    headers = {name.lower(): value for name, value in stub.seen[0][2].items()}
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


def config(user: User) -> Path:
    return user.home / "docker/config.json"


def wants_password(stub: Stub) -> None:
    def ask(request: Request) -> bool:
        if request.headers.get("Authorization") == f"Basic {PAIR}":
            return False
        request.reply(401, WWW_Authenticate='Basic realm="stub"')
        return True

    stub.faults.append(ask)


def log_in(user: User, stub: Stub) -> str:
    return user.works("login", "-u", USER, "--password-stdin", stub.host, input=PASSWORD)


def test_credentials_are_kept_as_docker_keeps_them(stub: Stub, user: User) -> None:
    wants_password(stub)
    config(user).parent.mkdir()
    config(user).write_text(json.dumps({"psFormat": "{{.ID}}", "auths": {"other.example": {"auth": "eDp5"}}}))
    config(user).chmod(0o644)
    log_in(user, stub)
    content = json.loads(config(user).read_text())
    assert content["psFormat"] == "{{.ID}}"
    assert content["auths"] == {"other.example": {"auth": "eDp5"}, stub.host: {"auth": PAIR}}
    assert stat.S_IMODE(config(user).stat().st_mode) == 0o600
    assert os.listdir(config(user).parent) == ["config.json"]
    user.works("logout", stub.host)
    assert json.loads(config(user).read_text())["auths"] == {"other.example": {"auth": "eDp5"}}


def test_credentials_under_docker_s_older_names_are_found(stub: Stub, user: User) -> None:
    wants_password(stub)
    stub.add_image("app")
    config(user).parent.mkdir()
    config(user).write_text(json.dumps({"auths": {f"https://{stub.host}/v1/": {"auth": PAIR}}}))
    user.works("pull", f"{stub.host}/app")


def test_damaged_credentials_are_an_error_in_one_line(stub: Stub, user: User) -> None:
    wants_password(stub)
    config(user).parent.mkdir()
    for text in ("{", "[]", json.dumps({"auths": {stub.host: {"auth": "!"}}})):
        config(user).write_text(text)
        assert str(config(user)) in user.fails("pull", f"{stub.host}/app")
        if text != "{":
            continue
        user.fails("login", "-u", USER, "--password-stdin", stub.host, input=PASSWORD)
        assert config(user).read_text() == text


HELPER = """#!/bin/sh
# docker-credential-test: keeps one secret in a file
file="$0.secret"
case "$1" in
get) cat >/dev/null; [ -f "$file" ] && cat "$file" || { echo "credentials not found in native keychain"; exit 1; } ;;
store) cat >"$file" ;;
erase) cat >/dev/null; rm -f "$file" ;;
esac
"""


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_credential_helper_keeps_the_secret(key: str, stub: Stub, user: User) -> None:
    wants_password(stub)
    stub.add_image("app")
    (user.home / "bin").mkdir()
    helper = user.home / "bin/docker-credential-test"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    config(user).parent.mkdir()
    config(user).write_text(json.dumps({key: "test" if key == "credsStore" else {stub.host: "test"}}))
    assert "denied" in user.fails("pull", f"{stub.host}/app")
    done = user("login", "-u", USER, "--password-stdin", stub.host, input=PASSWORD)
    assert (done.stdout, done.stderr) == ("Login Succeeded\n", "")
    secret = json.loads((user.home / "bin/docker-credential-test.secret").read_text())
    assert secret == {"ServerURL": stub.host, "Username": USER, "Secret": PASSWORD}
    assert PAIR not in config(user).read_text()
    user.works("pull", f"{stub.host}/app")
    assert "Removing" in user.works("logout", stub.host)
    assert not (user.home / "bin/docker-credential-test.secret").exists()


def test_a_helper_that_fails_or_is_missing_is_named(stub: Stub, user: User) -> None:
    wants_password(stub)
    config(user).parent.mkdir()
    config(user).write_text(json.dumps({"credsStore": "none-such"}))
    assert "docker-credential-none-such cannot be run" in user.fails("pull", f"{stub.host}/app")


def test_search(stub: Stub, user: User) -> None:
    def catalogue(request: Request) -> bool:
        if request.path.startswith("/v2/_catalog"):
            request.reply(200, b'{"repositories": ["team/app", "team/base", "other"]}')
            return True
        return False

    line = user.fails("search", f"{stub.host}/app")
    assert f"{stub.host} cannot be searched: it has no catalogue" in line
    stub.faults.append(catalogue)
    lines = user.works("search", f"{stub.host}/team").splitlines()
    assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    assert [one.split()[0] for one in lines[1:]] == [f"{stub.host}/team/app", f"{stub.host}/team/base"]
    assert user.works("search", "--filter", "is-official=true", f"{stub.host}/team").splitlines()[1:] == []
    shown = user.works("search", "--format", "{{.Name}}|{{.StarCount}}|{{.IsAutomated}}", f"{stub.host}/team")
    assert shown.splitlines() == [f"{stub.host}/team/app|0|", f"{stub.host}/team/base|0|"]
    assert user.works("search", "--format", "table {{.IsOfficial}}", f"{stub.host}/none") == "OFFICIAL\n"
    assert "invalid filter" in user.fails("search", "--filter", "x=1", f"{stub.host}/team")
