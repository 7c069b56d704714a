"""The alpine recipe's first source, Alpine's release site, played by a TLS server of these tests."""

import hashlib
import http.server
import platform
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.rootfs.recipes import built, refused, run

MACHINE = platform.machine()
NAME = f"alpine-minirootfs-3.23.9-{MACHINE}.tar.gz"
CONTENT = b"a root file system"
INDEX = """\
---
-
  title: "Virtual"
  desc: |
    Similar to standard.
    Slimmed down kernel.
  flavor: alpine-virt
  file: alpine-virt-3.23.9-{machine}.iso
  sha256: 0000000000000000000000000000000000000000000000000000000000000000
-
  title: "Mini root filesystem"
  desc: |
    Minimal root filesystem.
    For use in containers
    and minimal chroots.
  branch: v3.23
  arch: {machine}
  version: 3.23.9
  flavor: alpine-minirootfs
  file: {file}
  iso: {file}
  date: 2026-01-01
  time: 10:11:12
  size: 18
  sha256: {digest}
  sha512: 00
"""


class Site(NamedTuple):
    url: str
    releases: Path
    certificate: Path
    server: http.server.ThreadingHTTPServer

    def announce(self, digest: str, file: str = NAME) -> None:
        """Write the release index."""
        index = INDEX.format(machine=MACHINE, file=file, digest=digest)
        (self.releases / "latest-releases.yaml").write_text(index)

    @property
    def trusted(self) -> dict[str, str]:
        """An environment in which OpenSSL trusts this site's certificate."""
        return {"SSL_CERT_FILE": str(self.certificate)}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if shutil.which("openssl") is None:
        pytest.fail("openssl is needed to make a certificate (Debian: apt install openssl)")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    releases = tmp_path / f"site/alpine/v3.23/releases/{MACHINE}"
    releases.mkdir(parents=True)
    (releases / NAME).write_bytes(CONTENT)
    (tmp_path / "out").mkdir()
    handler = partial(QuietHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_address[1]}/alpine"
        yield Site(url, releases, certificate, server)
        server.shutdown()


def test_the_release_is_handed_on_unchanged_and_found_again_offline(site: Site, tmp_path: Path) -> None:
    site.announce(hashlib.sha256(CONTENT).hexdigest())
    output, options = tmp_path / "out/alpine.tar.gz", ("--cache", tmp_path / "cache", "--mirror", site.url)
    built(run("alpine", output, *options, env=site.trusted))
    assert output.read_bytes() == CONTENT

    site.server.shutdown()
    site.server.server_close()
    output.unlink()
    done = run("alpine", output, *options, env=site.trusted)
    built(done)
    assert output.read_bytes() == CONTENT
    assert "whose hash was checked again" in done.stderr


def test_a_damaged_release_in_the_cache_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    site.announce(hashlib.sha256(CONTENT).hexdigest())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / NAME).write_bytes(b"half of it")
    output = tmp_path / "out/alpine.tar.gz"
    options = ("--cache", tmp_path / "cache", "--mirror", site.url)
    built(run("alpine", output, *options, env=site.trusted))
    assert output.read_bytes() == (tmp_path / "cache" / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("digest", "file", "reason"),
    [
        ("f" * 64, NAME, "refused"),
        ("none", NAME, "names no mini root file system"),
        ("f" * 64, "../../etc/alpine-minirootfs-1.tar.gz", "names no mini root file system"),
    ],
    ids=["wrong hash", "no hash", "a path for a name"],
)
def test_what_the_index_does_not_vouch_for_is_refused(
    site: Site, tmp_path: Path, digest: str, file: str, reason: str
) -> None:
    site.announce(digest, file)
    output = tmp_path / "out/alpine.tar.gz"
    done = run("alpine", output, "--cache", tmp_path / "cache", "--mirror", site.url, env=site.trusted)
    assert refused(done, output).endswith(reason)
    assert not (tmp_path / "cache" / NAME).exists()


def test_a_certificate_that_is_not_trusted_is_refused(site: Site, tmp_path: Path) -> None:
    site.announce(hashlib.sha256(CONTENT).hexdigest())
    output = tmp_path / "out/alpine.tar.gz"
    said = refused(run("alpine", output, "--cache", tmp_path / "cache", "--mirror", site.url), output)
    assert "certificate" in said
    assert said.endswith("refused")


def test_a_mirror_without_tls_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out/alpine.tar.gz"
    done = run("alpine", output, "--cache", tmp_path / "cache", "--mirror", "http://127.0.0.1:1/alpine")
    assert "https" in refused(done, output)
