"""Passwords of the admin listener: real bcrypt hashes, and headers of every shape."""

import asyncio
import base64
import threading
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.configuration.passwords import MAX_CONCURRENT_CHECKS, Passwords, load_passwords
from exporter.errors import ConfigurationError

PASSWORD = "tr0ub4dor:&3"  # with a colon, which ends only the user's name


def hashed(password: str, prefix: bytes = b"2b") -> str:
    """Hash a password as quickly as bcrypt allows."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix)).decode()


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    """Make the header that a client sends."""
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Hash the passwords of some users, once."""
    return [f"ada:{hashed(PASSWORD)}", f"grace:{hashed('hopper')}", f"zoë:{hashed('пароль')}"]


@pytest.fixture
def passwords(tmp_path: Path, lines: list[str]) -> Passwords:
    """Know some users."""
    path = tmp_path / "users"
    path.write_text("\n".join(lines), "utf-8")
    return load_passwords(path)


@pytest.mark.parametrize(
    ("user", "password", "allowed"),
    [
        ("ada", PASSWORD, True),
        ("grace", "hopper", True),
        ("zoë", "пароль", True),
        ("ada", "hopper", False),
        ("ada", PASSWORD.upper(), False),
        ("ada", PASSWORD + " ", False),
        ("ada", PASSWORD + "\0", False),
        ("ada", "\0", False),
        ("ada", "", False),
        ("ada", "x" * 100_000, False),
        ("Ada", PASSWORD, False),
        ("ada ", PASSWORD, False),
        ("eve", PASSWORD, False),
        ("", "", False),
        ("", PASSWORD, False),
    ],
)
async def test_user_and_password(
    passwords: Passwords, user: str, password: str, allowed: bool
) -> None:
    """A known user with the exact password is accepted, repeatedly; anyone else is refused."""
    header = basic(user, password)
    assert [await passwords.allow(header) for _ in range(3)] == [allowed] * 3


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_scheme_is_case_insensitive(passwords: Passwords, scheme: str) -> None:
    """The name of the scheme is case-insensitive."""
    assert await passwords.allow(basic("ada", PASSWORD, scheme))


GOOD = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic A",
        "Basic !!!!",
        "Basic 密码",
        "Basic \udcff",
        "Basic " + base64.b64encode(b"ada").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"ada\0:x").decode(),
        f"Basic {GOOD[:-4]}",
        f"Basic {GOOD}{GOOD}",
        f"Basic ada:{PASSWORD}",
        f"Bearer {GOOD}",
        f"Basic\t{GOOD}",
        f"Basic{GOOD}",
        GOOD,
    ],
)
async def test_malformed_header(passwords: Passwords, header: str) -> None:
    """A header of another scheme is refused, even after a good one."""
    assert not await passwords.allow(header)
    assert await passwords.allow(f"Basic {GOOD}")
    assert not await passwords.allow(header)


@settings(max_examples=200, deadline=None)
@given(
    st.text()
    | st.text().map("Basic ".__add__)
    | st.binary().map(lambda raw: "Basic " + base64.b64encode(raw).decode())
    | st.binary().map(lambda raw: "Basic " + base64.b64encode(b"ada:" + raw).decode())
)
def test_any_other_header_is_refused(header: str) -> None:
    """No header makes the check fail in another way than by a no."""
    known = Passwords({"ada": _ADA})
    assert asyncio.run(known.allow(header)) is False


_ADA = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))


async def test_cache_knows_one_password_of_one_user(passwords: Passwords) -> None:
    """A verified password is cached for its user only."""
    assert await passwords.allow(basic("ada", PASSWORD))
    assert not await passwords.allow(basic("ada", "hopper"))
    assert not await passwords.allow(basic("grace", PASSWORD))
    assert await passwords.allow(basic("grace", "hopper"))
    assert not await passwords.allow(basic("ada", "hopper"))
    assert await passwords.allow(basic("ada", PASSWORD))


async def test_wrong_password_is_not_remembered(passwords: Passwords) -> None:
    """A failed attempt does not affect the next one."""
    assert [await passwords.allow(basic("ada", "wrong")) for _ in range(2)] == [False, False]
    assert await passwords.allow(basic("ada", PASSWORD))


async def test_concurrent_requests(passwords: Passwords) -> None:
    """Right and wrong passwords that come together each get their own answer."""
    headers = [basic("ada", PASSWORD), basic("ada", "x"), basic("grace", "hopper")] * 5
    assert await asyncio.gather(*map(passwords.allow, headers)) == [True, False, True] * 5


async def test_long_password(tmp_path: Path) -> None:
    """A password past bcrypt's 72 bytes works, as it does with htpasswd."""
    path = tmp_path / "users"
    path.write_text(f"ada:{hashed('x' * 72)}\n")
    passwords = load_passwords(path)
    assert await passwords.allow(basic("ada", "x" * 72 + "yz"))
    assert not await passwords.allow(basic("ada", "x" * 71))


async def test_empty_password_still_needs_its_colon(tmp_path: Path) -> None:
    """A header with a user's name alone names no password, not even the empty one."""
    path = tmp_path / "users"
    path.write_text(f"ada:{hashed('')}\n")
    passwords = load_passwords(path)
    assert not await passwords.allow("Basic " + base64.b64encode(b"ada").decode())
    assert await passwords.allow(basic("ada", ""))


@pytest.mark.parametrize("prefix", ["2b", "2a", "2y"])
async def test_hash_of_any_program(tmp_path: Path, prefix: str) -> None:
    """Hashes of bcrypt's own tools and of htpasswd (`$2y$`) are read alike."""
    path = tmp_path / "users"
    path.write_text(f"ada:{hashed(PASSWORD).replace('$2b$', f'${prefix}$')}\n")
    assert await load_passwords(path).allow(basic("ada", PASSWORD))


@pytest.mark.parametrize("layout", ["{}\n{}\n", "# admins\n\n{}\r\n  {}  \n\n#end", "{}\n{}"])
async def test_file_layout(tmp_path: Path, lines: list[str], layout: str) -> None:
    """Blank lines, comments and any line ends are fine."""
    path = tmp_path / "users"
    path.write_bytes(layout.format(*lines).encode())
    passwords = load_passwords(path)
    assert await passwords.allow(basic("ada", PASSWORD))
    assert await passwords.allow(basic("grace", "hopper"))


BAD_HASHES = {
    "none": "",
    "plain-text": "hunter2hunter2",
    "md5-of-htpasswd": "$apr1$abcdefgh$0123456789abcdefghijkl",
    "sha512-crypt": "$6$abcdefgh$" + "x" * 86,
    "cut": "$2b$04$abcdefghijklmnopqrstu",
    "cut-by-a-letter": hashed(PASSWORD)[:-1],
    "with-a-letter-more": hashed(PASSWORD) + "x",
    "with-a-field-more": hashed(PASSWORD) + ":admin",
    "no-salt": "$2b$04$",
    "bad-rounds": "$2b$99$" + "a" * 53,
    "bad-letters": "$2b$04$" + "!" * 53,
    "non-ascii": "$2b$04$" + "密" * 53,
}


@pytest.mark.parametrize("bad", BAD_HASHES.values(), ids=BAD_HASHES)
def test_line_without_a_hash(tmp_path: Path, lines: list[str], bad: str) -> None:
    """A line with anything but a bcrypt hash names its file and number, and is not repeated."""
    path = tmp_path / "users"
    path.write_text(f"# admins\n{lines[0]}\neve:{bad}\n{lines[1]}\n", "utf-8")
    with pytest.raises(ConfigurationError, match="line 3 is not user:bcrypt-hash") as refused:
        load_passwords(path)
    assert str(path) in str(refused.value)
    assert not bad or bad not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    ["ada", ":", f":{hashed('x')}", hashed("x"), "ada hash"],
    ids=["no-hash", "nothing", "no-user", "hash-alone", "no-colon"],
)
def test_line_without_a_user(tmp_path: Path, line: str) -> None:
    """A line without a user names its file and number."""
    path = tmp_path / "users"
    path.write_text(line)
    with pytest.raises(ConfigurationError, match=r"users: line 1 is not user:bcrypt-hash"):
        load_passwords(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"\n# nobody\n \n", "empty"),
        (b"\xff\xfe\0", "not UTF-8 text"),
    ],
)
def test_file_without_users(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """A missing, empty or binary file is named with its problem."""
    path = tmp_path / "users"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        load_passwords(path)
    assert str(path) in str(refused.value)


async def test_an_unknown_user_takes_a_check(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash is checked for unknown users, too, so that timing does not reveal the known ones."""
    checked = watch_checks(monkeypatch)
    for user in ("ada", "eve"):
        assert not await passwords.allow(basic(user, "wrong"))
    assert not await passwords.allow(basic("eve", PASSWORD))  # ada's
    assert checked.total == 3


async def test_few_checks_at_a_time(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wrong passwords come, most threads are free for others."""
    checked = watch_checks(monkeypatch)
    await asyncio.gather(*(passwords.allow(basic("ada", f"wrong {n}")) for n in range(20)))
    assert checked.total == 20
    assert checked.most <= MAX_CONCURRENT_CHECKS


class Checks:
    """The checks of passwords: how many there were, and how many at a time."""

    def __init__(self) -> None:
        self.total = self.now = self.most = 0
        self._lock = threading.Lock()

    def change(self, by: int) -> None:
        """Note that a check begins (1) or ends (-1)."""
        with self._lock:
            self.now += by
            self.total += max(by, 0)
            self.most = max(self.most, self.now)


def watch_checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """Watch bcrypt at its work."""
    checks, check = Checks(), bcrypt.checkpw

    def watched(password: bytes, hashed_password: bytes) -> bool:
        checks.change(1)
        try:
            return check(password, hashed_password)
        finally:
            checks.change(-1)

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    return checks


@pytest.mark.parametrize("first", ["basic_auth_users:", "tls_server_config:"])
def test_file_of_the_exporter_toolkit(tmp_path: Path, first: str) -> None:
    """Prometheus' own web configuration is refused with the settings that take its place."""
    path = tmp_path / "web.yml"
    path.write_text(f"# web\n{first}\n  ada: {hashed('x')}\n")
    with pytest.raises(ConfigurationError, match="exporter-toolkit") as refused:
        load_passwords(path)
    names = ["user:hash", "ADMIN_TLS_CERT_FILE", "ADMIN_TLS_KEY_FILE", "ADMIN_TLS_CLIENT_CA_FILE"]
    assert [name for name in names if name not in str(refused.value)] == []
