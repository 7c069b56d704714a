"""A registry in the test's own process: real HTTP on a loopback port, and as much misbehaviour as a test asks for.

What a test wants to go wrong it puts into `faults`: functions that get a request before it is answered, and
answer it themselves by returning True.
"""

import base64
import gzip
import hashlib
import io
import json
import re
import secrets
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar archive with these files."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


class Request(BaseHTTPRequestHandler):
    """One request; `stub` is the registry that it is for."""

    protocol_version = "HTTP/1.1"
    stub: "Stub"

    def do(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.stub.seen.append((self.command, self.path, dict(self.headers)))
        if not any(fault(self) for fault in list(self.stub.faults)):
            self.stub.answer(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer; header names are written with underscores."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self) -> None:
        """Break the connection off, now."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Stub:
    """The registry. `manifests` by (repository, tag or digest), `blobs` by digest."""

    def __init__(self) -> None:
        handler = type("Bound", (Request,), {"stub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[Callable[[Request], bool]] = []
        self.does_ranges = True
        self.uploads: dict[str, bytearray] = {}

    @contextmanager
    def running(self) -> Iterator["Stub"]:
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    # What it has

    def add_blob(self, content: bytes) -> str:
        self.blobs[digest_of(content)] = content
        return digest_of(content)

    def add_manifest(self, name: str, tag: str, document: dict[str, Any] | bytes, media_type: str) -> str:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        for key in (tag, digest_of(content)):
            self.manifests[name, key] = content, media_type
        return digest_of(content)

    def add_image(
        self,
        name: str,
        tag: str = "latest",
        layers: list[dict[str, bytes]] | None = None,
        *,
        architecture: str = "amd64",
        docker: bool = False,
        compress: Callable[[bytes], bytes] = lambda tar: gzip.compress(tar, mtime=0),
        **config: Any,
    ) -> str:
        """An image with one layer for each dictionary of files; returns the manifest's digest."""
        tars = [tar_of(files) for files in layers or [{"hello": b"hello\n"}]]
        text = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
                **config,
            }
        ).encode()
        types = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (MANIFEST, CONFIG, LAYER)
        manifest = {
            "schemaVersion": 2,
            "mediaType": types[0],
            "config": self.descriptor(text, types[1]),
            "layers": [self.descriptor(compress(tar), types[2]) for tar in tars],
        }
        return self.add_manifest(name, tag, manifest, types[0])

    def descriptor(self, content: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.add_blob(content), "size": len(content)}

    def manifest(self, name: str, tag: str = "latest") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.manifests[name, tag][0])
        return document

    def layer(self, name: str, index: int = 0) -> bytes:
        """The blob of an image's layer."""
        return self.blobs[self.manifest(name)["layers"][index]["digest"]]

    def requests(self, method: str, part: str) -> list[str]:
        """The paths of the requests so far with this method that contain `part`."""
        return [path for seen, path, _ in list(self.seen) if seen == method and part in path]

    # What it answers

    def answer(self, request: Request) -> None:
        path = urlsplit(request.path).path
        if path == "/v2/":
            request.reply(200, b"{}")
        elif match := re.fullmatch("/v2/(.+)/manifests/(.+)", path):
            self._manifest(request, *match.groups())
        elif match := re.fullmatch("/v2/(.+)/blobs/(sha256:.+)", path):
            self._blob(request, match[2])
        elif match := re.fullmatch("/v2/(.+)/blobs/uploads/(.*)", path):
            self._upload(request, *match.groups())
        else:
            request.reply(404, b'{"errors": [{"code": "NAME_UNKNOWN", "message": "no such thing"}]}')

    def _manifest(self, request: Request, name: str, key: str) -> None:
        if request.command == "PUT":
            self.add_manifest(name, key, request.body, request.headers["Content-Type"])
            request.reply(201, Docker_Content_Digest=digest_of(request.body))
        elif (name, key) in self.manifests:
            content, media_type = self.manifests[name, key]
            digest = digest_of(content)
            request.reply(200, content, Content_Type=media_type, Docker_Content_Digest=digest)
        else:
            request.reply(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')

    def _blob(self, request: Request, digest: str) -> None:
        content = self.blobs.get(digest)
        if content is None:
            request.reply(404, b'{"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown"}]}')
        elif self.does_ranges and (match := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")):
            start = int(match[1])
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            request.reply(206, content[start:], Content_Range=place)
        else:
            request.reply(200, content)

    def _upload(self, request: Request, name: str, upload: str) -> None:
        query = parse_qs(urlsplit(request.path).query)
        if request.command == "POST":
            upload = secrets.token_hex(8)
            self.uploads[upload] = bytearray()
            request.reply(202, Location=f"/v2/{name}/blobs/uploads/{upload}")
            return
        self.uploads[upload] += request.body
        if request.command == "PUT":
            content = bytes(self.uploads.pop(upload))
            if digest_of(content) != query["digest"][0]:
                request.reply(400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "wrong digest"}]}')
                return
            self.add_blob(content)
            request.reply(201)
        else:
            request.reply(
                204 if request.command == "GET" else 202,
                Location=f"/v2/{name}/blobs/uploads/{upload}",
                Range=f"0-{len(self.uploads[upload]) - 1}",
            )


class TokenServer:
    """The server that gives bearer tokens, and the fault that makes a registry ask for them."""

    def __init__(self, stub: Stub, *, user: str = "", password: str = "", life: float = 60.0) -> None:
        self.stub, self.life = stub, life
        self.pair = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self.tokens: dict[str, tuple[float, set[str]]] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.refresh_token = ""
        stub.faults.append(self)

    def __call__(self, request: Request) -> bool:
        if request.path.startswith("/token"):
            self._give(request)
            return True
        until, scopes = self.tokens.get(request.headers.get("Authorization", ""), (0.0, set()))
        match = re.match("/v2/(.+?)/(manifests|blobs|tags)/", request.path)
        action = "pull" if request.command in ("GET", "HEAD") else "push"
        wanted = f"repository:{match[1]}:{action}" if match else ""
        if until > time.monotonic() and (not wanted or wanted in scopes):
            return False
        challenge = f'Bearer realm="http://{self.stub.host}/token",service="stub, the registry"'
        request.reply(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', WWW_Authenticate=challenge)
        return True

    def _give(self, request: Request) -> None:
        query = parse_qs(urlsplit(request.path).query or request.body.decode())
        self.asked.append(query)
        known = request.headers.get("Authorization") == f"Basic {self.pair}"
        if self.pair and not known and query.get("refresh_token") != [self.refresh_token or None]:
            request.reply(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}')
            return
        scopes = {
            f"{kind}:{name}:{action}"
            for scope in " ".join(query.get("scope", [])).split()
            for kind, name, actions in [scope.split(":")]
            for action in actions.split(",")
        }
        token = secrets.token_hex(8)
        self.tokens[f"Bearer {token}"] = time.monotonic() + self.life, scopes
        answer = {"token": token, "expires_in": self.life}
        if self.refresh_token:
            answer["refresh_token"] = self.refresh_token
        request.reply(200, json.dumps(answer).encode())
