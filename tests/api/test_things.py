"""The host, images, networks, volumes and builds over the socket."""

import base64
import io
import json
import tarfile
import threading
import time
from urllib.parse import quote

from tests.api.client import Client
from tests.registry.stub import Request, Stub, tar_of
from tests.support.command import Minidock


def test_versions_are_negotiated(api: Client) -> None:
    answer = api("GET", "/_ping")
    assert (answer.body, answer.headers["api-version"], answer.headers["builder-version"]) == (b"OK", "1.47", "1")
    assert api("HEAD", "/_ping").body == b""
    found = api("GET", "/version").json
    assert (found["ApiVersion"], found["MinAPIVersion"], found["Os"]) == ("1.47", "1.24", "linux")
    assert api("GET", "/v1.24/version").headers["api-version"] == "1.24"
    assert api("GET", "/version").headers["api-version"] == "1.44"
    old, new = api("GET", "/v1.23/version"), api("GET", "/v9.9/version")
    assert (old.status, new.status) == (400, 400)
    assert "too old" in old.message
    assert "too new" in new.message


def test_the_host_is_described(api: Client) -> None:
    info = api("GET", "/info").json
    assert info["OSType"] == "linux"
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    usage = api("GET", "/system/df").json
    assert usage["LayersSize"] > 1_000_000
    assert [image for image in usage["Images"] if "alpine:latest" in image["RepoTags"]]


def test_who_hears_of_an_end_sees_it(api: Client) -> None:
    """Compose takes a container that runs when it looks, after its `die`, for one that is started again."""
    query = quote(json.dumps({"event": ["die"], "type": ["container"]}))
    with api.connect() as listening:
        listening.sendall(f"GET /events?filters={query} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        assert listening.recv(4096).startswith(b"HTTP/1.1 200")
        for _ in range(8):
            container = api.run("true")
            try:
                heard = b""
                while container.encode() not in heard:
                    heard += listening.recv(4096)
                seen = api("GET", f"/containers/{container}/json").json["State"]
                assert (seen["Status"], seen["Running"]) == ("exited", False)
            finally:
                api.remove(container)


def test_events_come_as_they_happen(api: Client) -> None:
    since = time.time()
    name = f"events-{time.time_ns()}"
    with api.connect() as listening:
        query = json.dumps({"volume": [name]}).replace('"', "%22").replace(" ", "")
        listening.sendall(f"GET /events?filters={query} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        assert listening.recv(12) == b"HTTP/1.1 200"
        assert api("POST", "/volumes/create", {"Name": name}).status == 201
        got = b""
        while b'"create"' not in got:
            got += listening.recv(4096)
    assert api("DELETE", f"/volumes/{name}").status == 204
    past = api("GET", "/events", since=str(since), until=str(time.time()), filters={"volume": [name]}).lines
    assert [event["Action"] for event in past] == ["create", "destroy"]


def test_an_image_is_named_saved_loaded_and_removed(api: Client) -> None:
    assert api("POST", "/images/alpine/tag", repo="own.example/team/al", tag="1").status == 201
    found = api("GET", "/images/own.example/team/al:1/json").json
    assert "own.example/team/al:1" in found["RepoTags"]
    assert any("own.example/team/al:1" in row["RepoTags"] for row in api("GET", "/images/json").json)
    assert api("GET", "/images/own.example/team/al:1/history").json[0]["Id"] == found["Id"]
    saved = api("GET", "/images/get", names="own.example/team/al:1").body
    assert api("DELETE", "/images/own.example/team/al:1").json == [{"Untagged": "own.example/team/al:1"}]
    assert api("GET", "/images/own.example/team/al:1/json").status == 404
    told = api("POST", "/images/load", saved).lines
    assert told == [{"stream": "Loaded image: own.example/team/al:1\n"}]
    assert api("DELETE", "/images/own.example/team/al:1").status == 200
    broken = api("POST", "/images/load", b"no archive")
    assert broken.lines[-1]["errorDetail"]["message"]


def test_an_image_is_built_from_an_archive(api: Client) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("Dockerfile", b"FROM alpine\nARG X\nRUN echo $X >/x\nCOPY f /f\n"), ("f", b"F")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    told = api("POST", "/build", packed.getvalue(), t="built:1", buildargs={"X": "9"}, networkmode="none").lines
    try:
        ids = [line["aux"]["ID"] for line in told if "aux" in line]
        assert ids == [api("GET", "/images/built:1/json").json["Id"]]
        assert any("Successfully tagged built:1" in line.get("stream", "") for line in told)
    finally:
        api("DELETE", "/images/built:1")
    failed = api("POST", "/build", packed.getvalue(), target="nowhere")
    assert failed.message if failed.status != 200 else failed.lines[-1]["error"]
    assert api("POST", "/build", packed.getvalue(), dockerfile="../../etc/passwd").status == 400


def test_networks_and_their_members(api: Client, engine: Minidock) -> None:
    pool = {"Config": [{"Subnet": "10.98.0.0/24", "Gateway": "10.98.0.1"}]}
    made = api("POST", "/networks/create", {"Name": "api-net", "IPAM": pool, "Labels": {"a": "b"}})
    assert made.status == 201
    container = api.run("sleep", "1000", host={"NetworkMode": "api-net"},
                        NetworkingConfig={"EndpointsConfig": {"api-net": {"Aliases": ["other"]}}})  # fmt: skip
    try:
        found = api("GET", "/networks/api-net").json
        assert found["Containers"][container]["IPv4Address"] == "10.98.0.2/24"
        assert api("POST", "/networks/create", {"Name": "api-net"}).status == 409
        assert api("DELETE", "/networks/api-net").status == 403
        assert api("POST", "/networks/api-net/disconnect", {"Container": container}).status == 200
        assert api("GET", "/networks/api-net").json["Containers"] == {}
        again = {"Container": container, "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.98.0.77"}}}
        assert api("POST", "/networks/api-net/connect", again).status == 200
        inside = engine("exec", container, "ip", "-4", "addr")
        assert b"10.98.0.77/24" in inside.stdout
    finally:
        api.remove(container)
        assert api("DELETE", "/networks/api-net").status == 204
    assert api("DELETE", "/networks/bridge").status == 403
    assert api("GET", "/networks/nowhere").status == 404


def test_volumes_hold_what_containers_leave(api: Client) -> None:
    made = api("POST", "/volumes/create", {"Name": "api-volume", "Labels": {"a": "b"}})
    assert (made.status, made.json["Driver"]) == (201, "local")
    container = api.run("touch", "/data/file", host={"Binds": ["api-volume:/data"]})
    try:
        assert api("POST", f"/containers/{container}/wait").json["StatusCode"] == 0
        assert api("DELETE", "/volumes/api-volume").status == 409
        with open(f"{made.json['Mountpoint']}/file", "rb") as file:
            assert file.read() == b""
    finally:
        api.remove(container)
        assert api("DELETE", "/volumes/api-volume").status == 204
    assert [row["Name"] for row in api("GET", "/volumes").json["Volumes"]] == []


def test_what_is_not_here_is_answered_as_by_a_docker_without_it(api: Client) -> None:
    assert api("GET", "/nodes").status == 503
    assert "swarm" in api("GET", "/services").message
    assert api("GET", "/plugins").json == []
    assert api("GET", "/nowhere").status == 404
    assert api("PATCH", "/info").status == 405


def test_two_hundred_clients_at_once(api: Client) -> None:
    """All are connected before the first of them asks."""
    ends = [api.connect() for _ in range(200)]
    answers: list[bytes] = []

    def ask() -> None:
        for end in ends:
            end.sendall(b"GET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        for end in ends:
            answers.append(end.recv(15))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    for end in ends:
        end.close()
    assert len(answers) == 200
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}


def test_a_build_asks_a_registry_as_the_request_says(api: Client, engine: Minidock) -> None:
    """X-Registry-Config, by a registry's name or address; what this machine keeps is for its own users."""

    def answer(headers: dict[str, str]) -> str:
        context = tar_of({"Dockerfile": f"FROM {stub.host}/private\n".encode()})
        return api("POST", "/build", context, headers).body.decode()

    def config(text: str) -> dict[str, str]:
        return {"X-Registry-Config": base64.urlsafe_b64encode(text.encode()).decode()}

    def wants_password(request: Request) -> bool:
        if request.headers.get("Authorization") == "Basic " + base64.b64encode(b"ada:secret").decode():
            return False
        request.reply(401, b"{}", WWW_Authenticate='Basic realm="stub"')
        return True

    with Stub().running() as stub:
        stub.add_image("private")
        stub.faults.append(wants_password)
        assert "Successfully built" not in answer({})
        keys = {"username": "ada", "password": "secret"}
        for name in (stub.host, f"http://{stub.host}/v2/"):
            assert "Successfully built" in answer(config(json.dumps({name: keys}))), name
            engine("rmi", f"{stub.host}/private")
        for wrong in ("{", "[1]", '{"a": 5}'):
            assert api("POST", "/build", b"", config(wrong)).status == 400, wrong
    engine("image", "prune", "-f")
    engine("builder", "prune", "-af")
