"""One request to the public listener: what it says, and the answer that it gets."""

from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote_to_bytes

from exporter.errors import RequestError
from exporter.webhooks.responses import Answer


class Handler(Protocol):
    """What answers the requests of one path; none of these raises."""

    def begin(self, request: "Request") -> None:
        """Look at a request whose head is there; answer at once what needs no body."""

    def receive(self, request: "Request") -> None:
        """Answer a request that is complete, now or later; its body is not kept for later."""

    def refuse(self, request: "Request", refusal: RequestError) -> None:
        """Answer a request whose body cannot be had."""


Fields = list[tuple[bytes, bytes]]
"""Names and values of a head, as they came."""


class Request:
    """A request whose head is complete, until it has its answer."""

    __slots__ = (
        "_grown",
        "_on_answer",
        "_query",
        "body",
        "counted",
        "expecting",
        "handler",
        "hang_up",
        "headers",
        "keep_alive",
        "method",
        "reply",
        "size",
        "started",
        "target",
        "version",
    )

    def __init__(
        self,
        on_answer: "Callable[[Request], None]",
        method: bytes = b"",
        target: bytes = b"",
        fields: Fields | None = None,
        *,
        version: str = "1.1",
        keep_alive: bool = True,
    ) -> None:
        self._on_answer = on_answer
        self.method, self.target = method, target
        self.version, self.keep_alive = version, keep_alive
        self.headers = {
            name.lower().decode("latin-1"): value.decode("utf-8", "surrogateescape")
            for name, value in reversed(fields or ())
        }
        """By name in lower case; of a field that comes again, the first."""
        self._query: dict[str, str] | None = None
        expect = self.headers.get("expect", "") if version == "1.1" else ""
        self.expecting = expect.lower() == "100-continue"
        """Whether the client waits for our leave to send the body."""
        self.body = b""
        self.size = 0
        """Bytes of the body that have arrived."""
        self._grown: bytearray | None = None
        self.counted = 0
        """Bytes of the body that `Bodies` has counted."""
        self.handler: Handler
        """Whoever answers it."""
        self.started = 0.0
        """When it began, by the handler's clock."""
        self.reply: bytes | None = None
        """The bytes of the answer, once there is one."""
        self.hang_up = False
        """Whether the connection ends with the answer."""

    @property
    def path(self) -> str:
        """The path, without escapes; empty if the target has none."""
        target = self.target
        if not target.startswith(b"/"):  # `http://host/path`, as a proxy is asked
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path = target.partition(b"?")[0]
        return _unquoted(path)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the target; of one that comes again, the first."""
        if self._query is None:
            self._query = {}
            text = self.target.partition(b"?")[2].replace(b"+", b" ")
            for pair in text.split(b"&"):
                name, equals, value = pair.partition(b"=")
                if name or equals:
                    self._query.setdefault(_unquoted(name), _unquoted(value))
        return self._query

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters; empty if none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def take(self, piece: bytes) -> None:
        """Add a piece to the body, which mostly is the only one."""
        self.size += len(piece)
        if self._grown is not None:
            self._grown += piece
        elif self.body:
            self._grown, self.body = bytearray(self.body + piece), b""
        else:
            self.body = piece

    def end(self) -> None:
        """Note that the body is complete."""
        self.expecting = False
        if self._grown is not None:
            self.body, self._grown = bytes(self._grown), None

    def refuse(self, refusal: RequestError) -> None:
        """Answer a request whose body cannot be had."""
        self.handler.refuse(self, refusal)

    def answer(self, answer: Answer) -> None:
        """Send an answer after those to the connection's earlier requests; forget the body."""
        self.body, self._grown = b"", None
        # Whether a client that waits for leave sends its body now, nobody knows.
        self.hang_up |= answer.hang_up or not self.keep_alive or self.expecting
        self.reply = answer.encode(
            self.version, hang_up=self.hang_up, head_only=self.method == b"HEAD"
        )
        self._on_answer(self)


def write_head(
    method: bytes, target: bytes, fields: Fields, *, version: str, without: bytes
) -> bytes:
    """Write a head as it came, but for the fields of one name, in lower case."""
    lines = b"".join(b"%b: %b\r\n" % field for field in fields if field[0].lower() != without)
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)


def _unquoted(text: bytes) -> str:
    return (unquote_to_bytes(text) if b"%" in text else text).decode("utf-8", "replace")
