"""The service, on a socket of its own, for the tests of a file: others look for what is left of minidock."""

from collections.abc import Iterator

import pytest

from tests.api.client import Client
from tests.engine.containers import eventually
from tests.support.command import Minidock


@pytest.fixture(scope="module")
def api(engine: Minidock) -> Iterator[Client]:
    path = engine.run / "api.sock"
    with engine.start("system", "service", "--socket", str(path), "--timeout", "0") as service:
        eventually(path.exists)
        client = Client(path, service.pid)
        assert client("GET", "/_ping").body == b"OK"  # it has begun to serve
        yield client
        service.terminate()
        assert service.wait(30) == 0
    assert not path.exists()
