"""The real things: Debian's docker-registry, plain and with TLS and passwords, behind nginx, and skopeo beside us."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minidock.image.importer import import_tarball
from minidock.image.reference import parse
from tests.registry.conftest import HTPASSWD, PASSWORD, USER, User, docker_registry, free_port, serving
from tests.registry.stub import tar_of

pytestmark = pytest.mark.interop


def run(*command: str, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def make_image(user: User, name: str, files: dict[str, bytes]) -> str:
    """An image of one layer in the user's store; returns its id."""
    tarball = user.home / "files.tar"
    tarball.write_bytes(tar_of(files))
    return import_tarball(str(user.root), str(tarball), parse(name)).id


def test_what_one_pushes_another_pulls(registry: str, user: User, other: User) -> None:
    name = f"{registry}/team/app:1"
    image_id = make_image(user, name, {"hello": b"hello"})
    assert ": Pushed" in user.works("push", name)
    assert "Layer already exists" in user.works("push", name)
    other.works("pull", name)
    assert other.store.resolve(name).id == image_id
    assert other.file(name, "hello") == b"hello"
    assert "manifest unknown" in other.fails("pull", f"{registry}/team/app:2")
    assert "manifest unknown" in other.fails("pull", f"{registry}/none")


def test_a_layer_is_mounted_from_another_repository(registry: str, user: User) -> None:
    make_image(user, f"{registry}/first", {"f": b"f"})
    user.works("push", f"{registry}/first")
    user.store.tag(user.store.resolve(f"{registry}/first"), parse(f"{registry}/second"))
    assert "Mounted from first" in user.works("push", f"{registry}/second")


def test_all_tags_and_the_catalogue(registry: str, user: User, other: User) -> None:
    make_image(user, f"{registry}/app:1", {"n": b"1"})
    make_image(user, f"{registry}/app:2", {"n": b"2"})
    user.works("push", "-a", f"{registry}/app")
    other.works("pull", "-a", f"{registry}/app")
    assert [other.file(f"{registry}/app:{n}", "n") for n in (1, 2)] == [b"1", b"2"]
    assert f"{registry}/app" in other.works("search", f"{registry}/a")


def test_a_large_layer_goes_in_pieces(registry: str, user: User, other: User) -> None:
    with open("/dev/urandom", "rb") as random:
        content = random.read(150 << 20)
    name = f"{registry}/large"
    make_image(user, name, {"large": content})
    user.works("push", name, timeout=120)
    other.works("pull", name, timeout=120)
    assert other.file(name, "large") == content


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_skopeo_reads_what_we_push_and_we_read_what_it_copies(
    form: str, registry: str, user: User, other: User, tmp_path: Path
) -> None:
    name = f"{registry}/ours"
    make_image(user, name, {"hello": b"hello"})
    user.works("push", name)
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", form]
    run(*copy, f"docker://{name}", f"docker://{registry}/theirs")
    run(*copy[:4], f"docker://{name}", f"oci:{tmp_path}/layout:1")
    other.works("pull", f"{registry}/theirs")
    assert other.file(f"{registry}/theirs", "hello") == b"hello"
    assert ("docker" in other.store.resolve(f"{registry}/theirs").manifest["mediaType"]) == (form == "v2s2")
    before = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/theirs"))["Digest"]
    other.works("push", f"{registry}/theirs")
    after = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/theirs"))["Digest"]
    assert before == after


class Authority:
    """A private authority and the certificates that it signs, made by openssl."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Our own authority", "-days", "2",
                      "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip

    def sign(self, name: str, subject: str) -> tuple[str, str]:
        """A certificate and its key."""
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr")  # fmt: skip
        (self.directory / "extensions").write_text(f"subjectAltName={subject}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", "extensions", "-out", f"{name}.crt")  # fmt: skip
        return str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")

    def trusted_by(self, user: User, address: str) -> Path:
        """Put the authority where the user's minidock looks for it; returns that directory."""
        folder = user.home / "certs.d" / address
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes((self.directory / "ca.crt").read_bytes())
        user.configure(f'[registries]\ncertificates = ["{user.home}/certs.d"]\n')
        return folder

    def _openssl(self, *words: str) -> None:
        run("openssl", *words, cwd=self.directory)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def closed_registry(authority: Authority, tmp_path: Path) -> Iterator[str]:
    """docker-registry with TLS and its own htpasswd."""
    certificate, key = authority.sign("server", "IP:127.0.0.1")
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": 'a, "closed" registry', "path": str(tmp_path / "htpasswd")}}
    tls = {"certificate": certificate, "key": key}
    with docker_registry(tmp_path / "closed", tls=tls, auth=auth) as address:
        yield address


def test_a_private_authority_and_a_password(
    closed_registry: str, authority: Authority, user: User, other: User
) -> None:
    name = f"{closed_registry}/app"
    assert "is not trusted: its certificate is refused" in user.fails("pull", name)
    authority.trusted_by(user, closed_registry)
    assert "pull access denied" in user.fails("pull", name)
    login = ("login", "-u", USER, "--password-stdin", closed_registry)
    assert "unauthorized" in user.fails(*login, input="wrong")
    user.works(*login, input=PASSWORD)
    make_image(user, name, {"hello": b"hello"})
    user.works("push", name)
    authority.trusted_by(other, closed_registry)
    assert "pull access denied" in other.fails("pull", name)
    other.works(*login, input=PASSWORD)
    other.works("pull", name)
    assert other.file(name, "hello") == b"hello"
    credentials = (user.home / "docker/config.json").read_text()
    inspect = ["skopeo", "inspect", "--authfile", str(user.home / "docker/config.json"), "--cert-dir",
               str(user.home / "certs.d" / closed_registry), f"docker://{name}"]  # fmt: skip
    assert json.loads(run(*inspect))["Name"] == f"{closed_registry}/app", credentials


def test_an_insecure_registry_need_not_prove_itself(closed_registry: str, user: User) -> None:
    user.configure(f'[registries]\ninsecure = ["{closed_registry}"]\n')
    user.works("login", "-u", USER, "--password-stdin", closed_registry, input=PASSWORD)


def test_a_certificate_for_another_name_is_refused(authority: Authority, user: User, tmp_path: Path) -> None:
    certificate, key = authority.sign("server", "DNS:elsewhere.example")
    with docker_registry(tmp_path / "other", tls={"certificate": certificate, "key": key}) as address:
        authority.trusted_by(user, address)
        assert "IP address mismatch" in user.fails("pull", f"{address}/app")


def test_a_registry_that_wants_a_certificate_from_us(authority: Authority, user: User, tmp_path: Path) -> None:
    certificate, key = authority.sign("server", "IP:127.0.0.1")
    own, own_key = authority.sign("client", "DNS:client")
    tls = {"certificate": certificate, "key": key, "clientcas": [str(authority.directory / "ca.crt")]}
    with docker_registry(tmp_path / "mutual", tls=tls) as address:
        folder = authority.trusted_by(user, address)
        user.fails("pull", f"{address}/app")
        (folder / "client.cert").write_bytes(Path(own).read_bytes())
        assert f"missing key {folder}/client.key" in user.fails("pull", f"{address}/app")
        (folder / "client.key").write_bytes(Path(own_key).read_bytes())
        assert "manifest unknown" in user.fails("pull", f"{address}/app")


@contextmanager
def nginx(directory: Path, registry: str, certificate: tuple[str, str]) -> Iterator[str]:
    """nginx with TLS and passwords in front of a registry that has neither."""
    directory.mkdir()
    (directory / "htpasswd").write_text(HTPASSWD)
    directory.chmod(0o755)
    port = free_port()
    (directory / "nginx.conf").write_text(f"""
        daemon off; pid {directory}/pid; error_log {directory}/error.log; user root;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};
                client_max_body_size 0;
                chunked_transfer_encoding on;
                location /v2/ {{
                    auth_basic "Registry"; auth_basic_user_file {directory}/htpasswd;
                    proxy_pass http://{registry};
                    proxy_set_header Host $http_host;
                    proxy_set_header X-Forwarded-Proto $scheme;
                }}
            }}
        }}""")
    with serving(["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")], port, directory / "log"):
        yield f"127.0.0.1:{port}"


def test_behind_nginx(registry: str, authority: Authority, user: User, other: User, tmp_path: Path) -> None:
    with nginx(tmp_path / "nginx", registry, authority.sign("server", "IP:127.0.0.1")) as address:
        name = f"{address}/app"
        for someone in (user, other):
            authority.trusted_by(someone, address)
            assert "pull access denied" in someone.fails("pull", name)
            someone.works("login", "-u", USER, "--password-stdin", address, input=PASSWORD)
        make_image(user, name, {"hello": b"hello"})
        user.works("push", name)
        other.works("pull", name)
        assert other.file(name, "hello") == b"hello"
