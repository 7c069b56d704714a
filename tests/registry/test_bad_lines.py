"""Lines that break, registries that are overloaded, users who lose patience: every pull ends right or says why."""

import os
import random
import signal
import subprocess
import time

import pytest

from tests.registry.conftest import User
from tests.registry.faults import Proxy, corrupt_once, cut_after, slow
from tests.registry.stub import Request, Stub
from tests.support.command import Minidock

MANY = 3 << 20


@pytest.fixture
def large(stub: Stub) -> bytes:
    """An image, app, of one file that no compression makes smaller; returns the file."""
    content = random.Random(1).randbytes(MANY)
    stub.add_image("app", layers=[{"large": content}])
    return content


def test_a_broken_connection_is_taken_up_where_it_broke(stub: Stub, user: User, large: bytes) -> None:
    with Proxy(stub.host, cut_after(1_200_000)).running() as proxy:
        user.works("pull", f"{proxy.host}/app")
        assert user.file(f"{proxy.host}/app", "large") == large
    starts = [headers["Range"] for _, _, headers in stub.seen if "Range" in headers]
    assert len(starts) >= 2
    assert all(int(start.removeprefix("bytes=").rstrip("-")) > 1_000_000 for start in starts)


def test_without_ranges_it_begins_anew(stub: Stub, user: User, large: bytes) -> None:
    stub.does_ranges = False
    cuts = iter([500_000, 700_000])

    def line(data: bytes, passed: int, limits: dict[str, int] = {"now": 500_000}) -> bytes | None:  # noqa: B006
        if passed + len(data) <= limits["now"]:
            return data
        limits["now"] = next(cuts, 1 << 30)
        return None

    with Proxy(stub.host, line).running() as proxy:
        user.works("pull", f"{proxy.host}/app")
        assert user.file(f"{proxy.host}/app", "large") == large


def test_a_line_that_always_breaks_is_given_up(stub: Stub, user: User, large: bytes) -> None:
    stub.does_ranges = False
    with Proxy(stub.host, cut_after(500_000)).running() as proxy:
        line = user.fails("pull", "-q", f"{proxy.host}/app", timeout=90)
    assert "breaks off again and again" in line
    assert user.store.list() == []


def test_a_range_that_was_not_asked_for_is_refused(stub: Stub, user: User, large: bytes) -> None:
    def lie(request: Request) -> bool:
        if "Range" not in request.headers:
            return False
        request.reply(206, b"x" * 100, Content_Range=f"bytes 0-99/{MANY}")
        return True

    stub.faults.append(lie)
    with Proxy(stub.host, cut_after(500_000)).running() as proxy:
        assert "another range" in user.fails("pull", "-q", f"{proxy.host}/app", timeout=90)
    assert user.store.list() == []


def test_a_wrong_bit_on_the_line_is_noticed_and_fetched_again(stub: Stub, user: User, large: bytes) -> None:
    with Proxy(stub.host, corrupt_once(1 << 20)).running() as proxy:
        user.works("pull", f"{proxy.host}/app")
        assert user.file(f"{proxy.host}/app", "large") == large
    digest = stub.manifest("app")["layers"][0]["digest"]
    assert len(stub.requests("GET", digest)) == 2


def test_a_slow_line_is_waited_for(stub: Stub, user: User) -> None:
    stub.add_image("app")
    with Proxy(stub.host, slow(0.5)).running() as proxy:
        user.works("pull", f"{proxy.host}/app")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_registry_is_asked_again(status: int, stub: Stub, user: User) -> None:
    stub.add_image("app", layers=[{"a": b"a"}, {"b": b"b"}])
    refused: set[str] = set()

    def overloaded(request: Request) -> bool:
        key = request.command + request.path
        if key in refused:
            return False
        refused.add(key)
        request.reply(status, b"try later")
        return True

    stub.faults.append(overloaded)
    user.works("pull", f"{stub.host}/app")
    assert len(refused) >= 5


def test_retry_after_is_kept_to(stub: Stub, user: User) -> None:
    stub.add_image("app")
    times: list[float] = []

    def overloaded(request: Request) -> bool:
        if request.command != "HEAD":
            return False
        times.append(time.monotonic())
        if len(times) == 1:
            request.reply(429, Retry_After="2")
        return len(times) == 1

    stub.faults.append(overloaded)
    user.works("pull", f"{stub.host}/app")
    assert times[1] - times[0] >= 2


def test_a_registry_that_stays_overloaded_is_given_up(stub: Stub, user: User) -> None:
    def overloaded(request: Request) -> bool:
        request.reply(
            429, b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "pull rate limit"}]}', Retry_After="1000"
        )
        return True

    stub.faults.append(overloaded)
    line = user.fails("pull", f"{stub.host}/app", timeout=20)
    assert "the registry answered 429 (too many requests: wait, or log in for a higher limit)" in line
    assert len(stub.seen) == 1  # not asked to wait so long for nothing


def test_an_interrupted_pull_leaves_what_the_next_one_uses(stub: Stub, user: User, large: bytes) -> None:
    stub.add_image("app", layers=[{"small": b"small"}, {"large": large}])
    small, big = (layer["digest"] for layer in stub.manifest("app")["layers"])

    def hang(request: Request) -> bool:
        if big in request.path:
            request.send_response(200)
            request.send_header("Content-Length", str(len(stub.blobs[big])))
            request.end_headers()
            request.wfile.write(stub.blobs[big][:1000])
            request.wfile.flush()
            time.sleep(3)
            request.cut()
            return True
        return False

    stub.faults.append(hang)
    command = [*Minidock(user.root, user.home).program, "pull", f"{stub.host}/app"]
    pull = subprocess.Popen(command, env=user.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert pull.stdout
    while "Pull complete" not in (line := pull.stdout.readline()):
        assert line, "the pull ended by itself"
    pull.send_signal(signal.SIGINT)
    _, error = pull.communicate(timeout=20)
    assert pull.returncode == 130
    assert "Traceback" not in error
    assert user.store.list() == []
    user.has_no_leftovers()
    stub.faults.clear()
    stub.seen.clear()
    assert f"{small[7:19]}: Already exists" in user.works("pull", f"{stub.host}/app")
    assert stub.requests("GET", small) == []
    assert user.file(f"{stub.host}/app", "large") == large


@pytest.mark.slow
def test_killed_at_any_moment_it_is_done_by_the_next_one(stub: Stub, user: User, large: bytes) -> None:
    stub.add_image("app", layers=[{f"{n}/{m}": os.urandom(2000) for m in range(100)} for n in range(8)])
    command = [*Minidock(user.root, user.home).program, "pull", "-q", f"{stub.host}/app"]
    for moment in range(12):
        pull = subprocess.Popen(command, env=user.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1 + moment * 0.05)
        pull.kill()
        pull.wait()
        for image, _ in user.store.list():
            assert image.missing_layers == []
    user.works("pull", f"{stub.host}/app")
    image = user.store.resolve(f"{stub.host}/app")
    assert image.missing_layers == []
    assert len(image.layers) == 8
    user.has_no_leftovers()
