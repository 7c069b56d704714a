"""Who we are: challenges, tokens, passwords; and who is not told."""

import base64
import time

import pytest

from minidock.image.registry import realm
from minidock.image.registry.challenge import Challenge, parse
from minidock.image.registry.failures import RegistryError
from minidock.image.registry.registry_settings import Settings
from tests.registry.conftest import PASSWORD, USER, User
from tests.registry.stub import Request, Stub, TokenServer

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="a"', [("basic", {"realm": "a"})]),
        ("Basic realm=a", [("basic", {"realm": "a"})]),
        (
            'Bearer realm="https://a/token",service="s, t",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://a/token", "service": "s, t", "scope": "repository:a/b:pull,push"})],
        ),
        ('BEARER Realm = "x" , Service="y"', [("bearer", {"realm": "x", "service": "y"})]),
        ('Basic realm="say \\"hi\\", \\\\you"', [("basic", {"realm": 'say "hi", \\you'})]),
        ('Negotiate, Basic realm="a"', [("negotiate", {}), ("basic", {"realm": "a"})]),
        ('Negotiate YII==, Basic realm="a"', [("negotiate", {}), ("basic", {"realm": "a"})]),
        (
            ', Basic realm="a", charset="UTF-8",, Bearer realm="b"',
            [("basic", {"realm": "a", "charset": "UTF-8"}), ("bearer", {"realm": "b"})],
        ),
        ('Basic realm="open', [("basic", {})]),
        ('Bearer realm="a" service="b"', [("bearer", {"realm": "a", "service": "b"})]),
        ("", []),
        ('="', []),
    ],
)
def test_challenges_are_read_as_http_means_them(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert parse([header]) == [Challenge(*challenge) for challenge in challenges]


def test_several_headers_are_several_challenges() -> None:
    assert [one.scheme for one in parse(['Basic realm="a"', 'Bearer realm="b"'])] == ["basic", "bearer"]


def log_in(user: User, stub: Stub, password: str = PASSWORD) -> str:
    return user.works("login", "-u", USER, "--password-stdin", stub.host, input=f"{password}\n")


def wants_password(stub: Stub) -> None:
    def ask(request: Request) -> bool:
        if request.headers.get("Authorization") == BASIC:
            return False
        request.reply(401, b"{}", WWW_Authenticate='Basic realm="the stub, \\"itself\\""')
        return True

    stub.faults.append(ask)


def test_an_anonymous_token_is_got_once_for_one_pull(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub)
    stub.add_image("team/app", layers=[{f"{n}": b""} for n in range(5)])
    user.works("pull", f"{stub.host}/team/app")
    assert tokens.asked == [{"scope": ["repository:team/app:pull"], "service": ["stub, the registry"]}]


def test_a_token_that_expires_during_a_pull_is_renewed(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub, life=0.8)
    stub.add_image("app", layers=[{f"{n}": b""} for n in range(4)])

    def slow(request: Request) -> bool:
        if "/blobs/" in request.path and len(tokens.asked) < 3:
            until, _ = tokens.tokens[request.headers["Authorization"]]
            time.sleep(max(0.0, until - time.monotonic()))  # the next request comes too late
        return False

    stub.faults.append(slow)
    user.configure("[registries]\ndownloads = 1\n")
    user.works("pull", f"{stub.host}/app")
    assert len(tokens.asked) > 2


def test_a_token_that_is_revoked_before_its_time_is_renewed(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub)
    stub.add_image("app")

    def revoke(request: Request) -> bool:
        if "/blobs/" in request.path and len(tokens.asked) == 1:
            tokens.tokens.clear()
        return False

    stub.faults.insert(0, revoke)
    user.works("pull", f"{stub.host}/app")
    assert len(tokens.asked) == 2


def test_a_registry_that_believes_no_token_is_not_asked_for_ever(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub, life=-1)
    stub.add_image("app")
    line = user.fails("pull", f"{stub.host}/app")
    assert f"pull access denied for {stub.host}/app" in line
    assert "minidock login" in line
    assert len(tokens.asked) < 10


def test_login_gets_tokens_for_the_user(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub, user=USER, password=PASSWORD)
    stub.add_image("app")
    assert "pull access denied" in user.fails("pull", f"{stub.host}/app")
    assert log_in(user, stub) == "Login Succeeded\n"
    user.works("pull", f"{stub.host}/app")
    assert tokens.asked[-1]["account"] == [USER]


def test_an_identity_token_is_kept_in_place_of_the_password(stub: Stub, user: User) -> None:
    tokens = TokenServer(stub, user=USER, password=PASSWORD)
    tokens.refresh_token = "for-later"
    stub.add_image("app")
    log_in(user, stub)
    text = (user.home / "docker/config.json").read_text()
    assert '"identitytoken": "for-later"' in text
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in text
    user.works("pull", f"{stub.host}/app")
    assert tokens.asked[-1]["grant_type"] == ["refresh_token"]


def test_a_wrong_password_is_refused_and_not_kept(stub: Stub, user: User) -> None:
    TokenServer(stub, user=USER, password=PASSWORD)
    line = user.fails("login", "-u", USER, "--password-stdin", stub.host, input="wrong")
    assert "incorrect username or password" in line
    assert not (user.home / "docker").exists()


def test_basic_authentication(stub: Stub, user: User) -> None:
    wants_password(stub)
    stub.add_image("app")
    assert "pull access denied" in user.fails("pull", f"{stub.host}/app")
    assert "failed" in user("login", "-u", USER, "-p", "wrong", stub.host).stderr
    log_in(user, stub)
    user.works("pull", f"{stub.host}/app")


def test_logging_out(stub: Stub, user: User) -> None:
    wants_password(stub)
    log_in(user, stub)
    assert user.works("logout", stub.host) == f"Removing login credentials for {stub.host}\n"
    assert user.works("logout", stub.host) == f"Not logged in to {stub.host}\n"
    assert "pull access denied" in user.fails("pull", f"{stub.host}/app")


def test_logging_in_again_uses_what_is_kept(stub: Stub, user: User) -> None:
    wants_password(stub)
    log_in(user, stub)
    done = user("login", stub.host)
    assert done.stdout == "Login Succeeded\n"
    assert "Authenticating with existing credentials..." in done.stderr
    assert "non TTY device" in user.fails("login", "-u", USER, stub.host)


def test_a_redirect_elsewhere_gets_no_authorization(stub: Stub, user: User) -> None:
    wants_password(stub)
    stub.add_image("app")
    log_in(user, stub)
    with Stub().running() as elsewhere:
        elsewhere.blobs = stub.blobs

        def redirect(request: Request) -> bool:
            if "/blobs/" not in request.path:
                return False
            assert request.headers["Authorization"] == BASIC
            request.reply(307, Location=f"http://{elsewhere.host}{request.path}?signature=x")
            return True

        stub.faults.insert(0, redirect)
        user.works("pull", f"{stub.host}/app")
        assert len(elsewhere.seen) == 2
        assert not any("Authorization" in headers for _, _, headers in elsewhere.seen)


def test_an_upload_elsewhere_gets_no_authorization(stub: Stub, user: User) -> None:
    wants_password(stub)
    log_in(user, stub)
    stub.add_image("app")
    user.works("pull", f"{stub.host}/app")
    stub.blobs.clear()
    with Stub().running() as elsewhere:
        elsewhere.uploads["1"] = bytearray()

        def redirect(request: Request) -> bool:
            if request.command != "POST":
                return False
            elsewhere.uploads["1"] = bytearray()
            request.reply(202, Location=f"http://{elsewhere.host}/v2/app/blobs/uploads/1")
            return True

        stub.faults.append(redirect)
        user.configure("[registries]\nuploads = 1\n")
        user.works("push", f"{stub.host}/app")
        assert len(elsewhere.blobs) == 2
        assert not any("Authorization" in headers for _, _, headers in elsewhere.seen)


def test_neither_redirects_nor_tokens_lead_to_plain_http_elsewhere(stub: Stub, user: User) -> None:
    stub.add_image("app")

    def redirect(request: Request) -> bool:
        if "/blobs/" in request.path:
            request.reply(307, Location="http://192.0.2.1/blob")
            return True
        return False

    stub.faults.append(redirect)
    assert "http://192.0.2.1 is not asked without TLS" in user.fails("pull", f"{stub.host}/app")

    def challenge(request: Request) -> bool:
        request.reply(401, WWW_Authenticate='Bearer realm="http://192.0.2.1/token"')
        return True

    stub.faults[:] = [challenge]
    assert "http://192.0.2.1 is not asked without TLS" in user.fails("pull", f"{stub.host}/app")


class TestWhoIsToldThePassword:
    """A registry names the server that gives tokens for it. The password goes no further than its own site."""

    @pytest.fixture
    def elsewhere(self, stub: Stub, user: User) -> tuple[TokenServer, str]:
        """A registry whose tokens are given under another name, at which its user has logged in."""
        tokens = TokenServer(stub, user=USER, password=PASSWORD)
        stub.add_image("app")
        log_in(user, stub)
        tokens.asked.clear()
        other = f"localhost:{stub.host.rpartition(':')[2]}"
        assert other != stub.host

        def challenge(request: Request) -> bool:
            if request.path.startswith("/token") or "Authorization" in request.headers:
                return False
            realm = f'Bearer realm="http://{other}/token",service="stub, the registry"'
            request.reply(401, WWW_Authenticate=realm)
            return True

        stub.faults.insert(0, challenge)
        return tokens, other

    def test_another_site_s_is_not(self, stub: Stub, user: User, elsewhere: tuple[TokenServer, str]) -> None:
        tokens, other = elsewhere
        line = user.fails("pull", f"{stub.host}/app")
        assert f"{stub.host} wants its password sent to {other}, which is another site's: `token_servers`" in line
        assert tokens.asked == []

    def test_one_that_the_user_allows_is(self, stub: Stub, user: User, elsewhere: tuple[TokenServer, str]) -> None:
        tokens, other = elsewhere
        user.configure(f'[registries.token_servers]\n"{stub.host}" = ["{other}"]\n')
        user.works("pull", f"{stub.host}/app")
        assert tokens.asked[-1]["account"] == [USER]

    def test_without_a_password_there_is_nothing_to_tell(
        self, stub: Stub, user: User, elsewhere: tuple[TokenServer, str]
    ) -> None:
        tokens, _ = elsewhere
        tokens.pair = ""
        user.works("logout", stub.host)
        user.works("pull", f"{stub.host}/app")
        assert "account" not in tokens.asked[-1]

    @pytest.mark.parametrize(
        ("registry", "url"),
        [
            ("https://index.docker.io/v1/", "https://auth.docker.io/token"),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("quay.io", "https://quay.io/v2/auth"),
            ("ghcr.io", "https://ghcr.io/token"),
            ("me.azurecr.io", "https://me.azurecr.io/oauth2/token"),
            ("registry.example.co.uk:5000", "https://auth.example.co.uk/token?x=1"),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("[::1]:5000", "http://[::1]:5001/token"),
        ],
    )
    def test_of_one_site(self, registry: str, url: str) -> None:
        realm.check(url, registry, Settings(), secret=True)

    @pytest.mark.parametrize(
        ("registry", "url"),
        [
            ("https://index.docker.io/v1/", "https://auth.docker.io.example.com/token"),
            ("registry.example.com", "https://example.net/token"),
            ("registry.example.co.uk", "https://auth.other.co.uk/token"),
            ("10.1.0.1:5000", "https://10.2.0.1:5000/token"),
            ("registry", "https://example/token"),
            ("registry.example.com", "https://evil.net\\@registry.example.com/token"),
            ("registry.example.com", "https://registry.example.com@evil.net/token"),
            ("registry.example.com", "https://evil.net#@registry.example.com/token"),
            ("registry.example.com", "ftp://registry.example.com/token"),
            ("registry.example.com", "https:///token"),
        ],
    )
    def test_of_another(self, registry: str, url: str) -> None:
        with pytest.raises(RegistryError):
            realm.check(url, registry, Settings(), secret=True)
