"""The grammar of image names; the tables follow github.com/distribution/reference, normalize_test.go."""

import pytest

from minidock.errors import UsageError
from minidock.image.reference import parse, parse_untagged

HEX = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
DIGEST = f"sha256:{HEX}"


VALID = f"""
docker/docker library/debian debian docker.io/docker/docker docker.io/library/debian docker.io/debian
index.docker.io/docker/docker index.docker.io/library/debian index.docker.io/debian
127.0.0.1:5000/docker/docker 127.0.0.1:5000/library/debian 127.0.0.1:5000/debian 192.168.0.1 192.168.0.1:80
192.168.0.1:8/debian 192.168.0.2:25000/debian [fc00::1]:5000/docker [fc00::1]:5000/docker/docker
thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev [fc00:1:2:3:4:5:6:7]:5000/library/debian
Docker/docker DOCKER/docker foo__bar foo--bar foo----bar foo.bar foo_bar a/b/c/d localhost/x
localhost:5000/x xn--n3h.com/myimage test:5000/repo:tag sub-dom1.foo.com/bar/baz/quux:some-long-tag
b.gcr.io/test.example.com/my-app:test.example.com docker.io/{HEX} alpine@{DIGEST} alpine:3@{DIGEST}
a:{"x" * 128} a:B a:1 0 7:7
""".split()

INVALID = f"""
https://github.com/docker/docker docker/Docker -docker -docker/docker -docker.io/docker/docker
docker///docker docker.io/docker/Docker docker.io/docker///docker [fc00::1] [fc00::1]:5000
fc00::1:5000/debian [fe80::1%eth0]:5000/debian [2001:db8:3:4::192.0.2.33]:5000/debian foo___bar foo..bar
foo_-bar _foo foo_ foo. a//b /a a/ a: a:-x a:.x a@b a@sha256:abc :a @a a:b:c a/b:c/d a* ä {HEX}
a:{"x" * 129} {"a/" * 128}a a@md5:{HEX} a@{DIGEST}0
""".split()


@pytest.mark.parametrize("text", VALID)
def test_valid(text: str) -> None:
    assert parse(parse(text).familiar) == parse(text)
    assert parse(parse(text).canonical) == parse(text)


@pytest.mark.parametrize("text", [*INVALID, "", " ", "a b", "a\n"])
def test_invalid(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "familiar", "canonical"),
    [
        ("alpine", "alpine:latest", "docker.io/library/alpine:latest"),
        ("index.docker.io/library/ubuntu:24.04", "ubuntu:24.04", "docker.io/library/ubuntu:24.04"),
        ("fooo/bar", "fooo/bar:latest", "docker.io/fooo/bar:latest"),
        ("library/foo/bar", "library/foo/bar:latest", "docker.io/library/foo/bar:latest"),
        ("other/library", "other/library:latest", "docker.io/other/library:latest"),
        ("localhost/base", "localhost/base:latest", "localhost/base:latest"),
        (
            "127.0.0.1:8000/private/moon",
            "127.0.0.1:8000/private/moon:latest",
            "127.0.0.1:8000/private/moon:latest",
        ),
        ("example.com/library/foo", "example.com/library/foo:latest", "example.com/library/foo:latest"),
        (f"alpine@{DIGEST}", f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}"),
    ],
)
def test_short_and_long_form(text: str, familiar: str, canonical: str) -> None:
    assert (parse(text).familiar, parse(text).canonical) == (familiar, canonical)


def test_parts() -> None:
    assert parse("localhost:5000/team/app:1.2")[:] == ("localhost:5000", "team/app", "1.2", None)
    assert parse(f"alpine@{DIGEST}").tag is None
    assert parse_untagged("alpine").tag is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Alpine", "invalid reference format: repository name (library/Alpine) must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a b", "invalid reference format: 'a b' is not [REGISTRY/]NAME[:TAG][@DIGEST]"),
        (f"a@sha512:{HEX}", "invalid checksum digest length: 64 digits of sha512"),
        (f"a@md5:{HEX}", "unsupported digest algorithm: md5"),
        ("a/" * 128 + "a", "repository name must not be more than 255 characters"),
    ],
)
def test_the_reason_is_given(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value) == reason
