"""Containers over the socket: created, started, waited for, looked at by the kernel."""

import io
import json
import os
import tarfile
import threading

from tests.api.client import Client, read_all, streams
from tests.engine.containers import eventually
from tests.support.command import Minidock


def test_a_container_lives_and_dies(api: Client, engine: Minidock) -> None:
    container = api.create("sleep", "1000", name="lives", Labels={"a": "b"})
    try:
        assert api("GET", "/containers/lives/json").json["State"]["Status"] == "created"
        assert api("POST", "/containers/lives/start").status == 204
        assert api("POST", "/containers/lives/start").status == 304
        state = api("GET", "/containers/lives/json").json["State"]
        assert os.readlink(f"/proc/{state['Pid']}/exe").endswith("busybox")
        listed = api("GET", "/containers/json", filters={"label": ["a=b"]}).json
        assert [row["Id"] for row in listed] == [container]
        assert listed[0]["State"] == "running"
        assert listed[0]["Names"] == ["/lives"]
        assert engine("ps", "-q", "--no-trunc").stdout.decode().split() == [container]  # one engine, two doors
        assert api("GET", "/containers/lives/top").json["Processes"][0][-1] == "sleep 1000"
        assert api("POST", "/containers/lives/pause").status == 204
        assert api("POST", "/containers/lives/pause").status == 409
        assert api("POST", "/containers/lives/unpause").status == 204
        assert api("POST", "/containers/lives/rename", name="other").status == 204
        assert api("POST", "/containers/other/stop", t=0).status == 204
        assert api("POST", "/containers/other/stop", t=0).status == 304
        assert not os.path.exists(f"/proc/{state['Pid']}")
        assert api("POST", "/containers/other/wait").json == {"StatusCode": 137}
    finally:
        api.remove(container)
    assert api("GET", f"/containers/{container}/json").status == 404


def test_attached_before_the_start_nothing_is_missed(api: Client) -> None:
    """What docker's client does for `run`: create, attach, wait, start."""
    container = api.create("sh", "-c", "echo out; echo err >&2; exit 7", host={"AutoRemove": True})
    with api.hijack(f"/containers/{container}/attach", stream=1, stdout=1, stderr=1) as attached:
        codes: list[int] = []
        with api.connect() as waiting:
            waiting.sendall(f"POST /containers/{container}/wait?condition=removed HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            assert waiting.recv(12) == b"HTTP/1.1 200"
            assert api("POST", f"/containers/{container}/start").status == 204
            assert streams(read_all(attached)) == {1: b"out\n", 2: b"err\n"}
            body = b""
            while b"StatusCode" not in body:
                body += waiting.recv(4096)
            codes.append(json.loads(body[body.index(b"{") : body.index(b"}") + 1])["StatusCode"])
    assert codes == [7]
    assert api("GET", f"/containers/{container}/json").status == 404


def test_input_has_an_end_of_its_own(api: Client) -> None:
    container = api.create("cat", OpenStdin=True, StdinOnce=True, AttachStdin=True, host={"AutoRemove": True})
    sent = os.urandom(1 << 20)
    with api.hijack(f"/containers/{container}/attach", stream=1, stdin=1, stdout=1, stderr=1) as attached:
        assert api("POST", f"/containers/{container}/start").status == 204

        def send() -> None:
            attached.sendall(sent)
            attached.shutdown(1)

        sender = threading.Thread(target=send)
        sender.start()
        assert streams(read_all(attached)) == {1: sent}
        sender.join()


def test_a_terminal_is_raw_and_has_a_size(api: Client) -> None:
    container = api.run("sh", "-c", "read x; stty size; echo $x", Tty=True, OpenStdin=True)
    try:
        assert api("POST", f"/containers/{container}/resize", h=33, w=111).status == 200
        with api.hijack(f"/containers/{container}/attach", stream=1, stdin=1, stdout=1) as attached:
            attached.sendall(b"typed\n")
            assert read_all(attached).replace(b"\r", b"").endswith(b"33 111\ntyped\n")
    finally:
        api.remove(container)


def test_exec_is_created_started_and_asked_about(api: Client) -> None:
    container = api.run("sleep", "1000")
    try:
        asked = {"Cmd": ["sh", "-c", "cat; echo $A >&2; exit 3"], "AttachStdin": True, "AttachStdout": True,
                 "AttachStderr": True, "Env": ["A=1"]}  # fmt: skip
        made = api("POST", f"/containers/{container}/exec", asked)
        assert made.status == 201
        path = f"/exec/{made.json['Id']}"
        before = api("GET", f"{path}/json").json
        assert (before["Running"], before["ExitCode"]) == (False, None)
        with api.hijack(f"{path}/start", {"Detach": False, "Tty": False}) as end:
            end.sendall(b"in")
            end.shutdown(1)
            assert streams(read_all(end)) == {1: b"in", 2: b"1\n"}
        after = api("GET", f"{path}/json").json
        assert (after["Running"], after["ExitCode"], after["ContainerID"]) == (False, 3, container)
        assert api("POST", f"{path}/start", {}).status == 409
        made = api("POST", f"/containers/{container}/exec", {"Cmd": ["touch", "/here"]})
        assert api("POST", f"/exec/{made.json['Id']}/start", {"Detach": True}).status == 200
        changes = eventually(lambda: api("GET", f"/containers/{container}/changes").json)
        assert {"Path": "/here", "Kind": 1} in changes
        assert api("POST", f"/containers/{container}/exec", {"Cmd": []}).status == 400
    finally:
        api.remove(container)


def test_logs_are_framed_followed_and_cut(api: Client) -> None:
    container = api.run("sh", "-c", "echo a; echo b >&2; echo c")
    try:
        api("POST", f"/containers/{container}/wait")
        answer = api("GET", f"/containers/{container}/logs", stdout=1, stderr=1, follow=1)
        assert answer.headers["content-type"] == "application/vnd.docker.multiplexed-stream"
        assert streams(answer.body) == {1: b"a\nc\n", 2: b"b\n"}
        assert len(api("GET", f"/containers/{container}/logs", stdout=1, stderr=1, tail=1).body) == 8 + len("c\n")
        stamped = streams(api("GET", f"/v1.41/containers/{container}/logs", stderr=1, timestamps=1).body)[2]
        assert stamped.endswith(b"Z b\n")
        assert len(stamped.split()[0]) == len("2026-01-31T12:00:00.123456789Z")
        assert api("GET", f"/containers/{container}/logs").status == 400
    finally:
        api.remove(container)


def test_files_go_in_and_come_out_as_archives(api: Client) -> None:
    container = api.create("true")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"data"))
    try:
        assert api("PUT", f"/containers/{container}/archive", packed.getvalue(), path="/tmp").status == 200
        head = api("HEAD", f"/containers/{container}/archive", path="/tmp/file")
        assert head.status == 200
        assert head.headers["x-docker-container-path-stat"]
        answer = api("GET", f"/containers/{container}/archive", path="/tmp/file")
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
            file = archive.extractfile("file")
            assert file
            assert file.read() == b"data"
        assert api("GET", f"/containers/{container}/archive", path="/nowhere").status == 404
        escape = api("GET", f"/containers/{container}/archive", path="/../../../../etc/alpine-release")
        assert escape.status == 200  # of the container: its root is where ".." ends
        exported = api("GET", f"/containers/{container}/export").body
        with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
            assert "tmp/file" in archive.getnames()
    finally:
        api.remove(container)


def test_limits_policies_and_what_cannot_be_meant(api: Client) -> None:
    container = api.create("true", host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    try:
        host = api("GET", f"/containers/{container}/json").json["HostConfig"]
        assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
        policy = {"RestartPolicy": {"Name": "always"}}
        assert api("POST", f"/containers/{container}/update", policy).json == {"Warnings": []}
        host = api("GET", f"/containers/{container}/json").json["HostConfig"]
        assert host["RestartPolicy"]["Name"] == "always"
    finally:
        api.remove(container)
    for wrong in ({"Memory": 1}, {"Binds": ["a:b:c:d"]}, {"PortBindings": {"99999/tcp": [{}]}}, {"PidMode": "odd"},
                  {"RestartPolicy": {"Name": "sometimes"}}, {"Mounts": [{"Type": "bind", "Target": "/x"}]},
                  {"Ulimits": [{"Name": "odd", "Soft": 1, "Hard": 1}]}, {"SecurityOpt": ["odd"]}):  # fmt: skip
        answer = api("POST", "/containers/create", {"Image": "alpine", "HostConfig": wrong})
        assert answer.status == 400, (wrong, answer)
        assert answer.message


def test_attached_by_websocket(api: Client) -> None:
    """RFC 6455: a handshake, then messages; those of a client are masked."""
    container = api.run("cat", OpenStdin=True)
    try:
        with api.connect() as end:
            head = [f"GET /containers/{container}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1", "Host: d",
                    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip
            end.sendall("\r\n".join([*head, "", ""]).encode())
            got = b""
            while b"\r\n\r\n" not in got:
                got += end.recv(4096)
            assert got.startswith(b"HTTP/1.1 101 ")
            assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in got  # RFC 6455, 1.3
            end.sendall(bytes([0x82, 0x80 | 6, 0, 0, 0, 0]) + b"typed\n")
            frame = got.partition(b"\r\n\r\n")[2]
            while len(frame) < 8:
                frame += end.recv(4096)
            assert frame == bytes([0x82, 6]) + b"typed\n"
    finally:
        api.remove(container)
    assert api("GET", f"/containers/{container}/attach/ws").status == 404
