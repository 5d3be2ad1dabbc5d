"""Removes device tokens, target ids and credentials from text, and nothing else."""

import json
import re
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

MARK = "…"
"""Replaces redacted text."""

_LETTER = r"[\w+/=:.-]"
_FORM_TYPE = f"application/x-www-form-urlencoded(?!{_LETTER})"  # 33 letters, and curl's default

LONG_WORD = re.compile(rf"(?<!{_LETTER})(?!{_FORM_TYPE}){_LETTER}{{32,}}|[0-9]{{16,}}")
"""Device tokens and target ids are long words; the words of a vendor's message are short."""

# Names that end with such a word, or consist of it, perhaps after a separator.
_NAME = (
    r"(?:[\w.-]*(?:token|secret|password|phone|mobile|imei|oaid|idfa|email"
    r"|(?:target|reg|registration|device|user|client|open)[_-]?id|(?:api|access|app)[_-]?key)"
    r"|(?:[\w.-]*[.-])?"
    r"(?:target|alias|account|uid|cid|sign|signature|authorization|cookie))"
    r"(?:[_-]?(?:number|no|address|list))?s?"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
# The time is linear: each word is tried once, from its beginning, and has at most 31 characters,
# because LONG_WORD is applied first. A blank line separates the name of a multipart form field from
# its value, `>` the name of an XML element.
_NAMED = re.compile(
    rf"""((?<![\w.-]){_NAME}\\*["']?(?:\s*[:=>]|\r?\n\r?\n)\s*\\*(?:(?:bearer|basic)\s+)?)"""
    r"""([\[{]|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}\]<]+)""",
    re.IGNORECASE | re.DOTALL,
)
# A form with escapes is decoded first: they hide names, and divide tokens that have `+` or `/`.
_FORM = re.compile(r"[^\s=&{\[\"<]+=\S*\s*")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_SEPARATOR = re.compile(r"[:=>]|\n\r?\n")
_BRACKET = re.compile(r"[\[\]{}]")
_SHORTEST = len('{"uid":"x"}')  # the shortest line with a named secret
_WORD = re.compile(r"[\w.-]{8,}")  # a shorter secret may equal an ordinary word

# A token in a path has more digits than a word such as `v1`, or is longer.
_PATH_WORD = re.compile(r"(?=.{1,24}$)[A-Za-z._~-]*[0-9]{0,2}[A-Za-z._~-]*", re.ASCII)
_MAX_SEGMENTS = 6


def redact(text: str) -> str:
    """Redact JSON, lines of JSON, a form, or other text; JSON and forms keep their structure."""
    try:
        return _Redactor().json(text)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        pass
    if _FORM.fullmatch(text) and _ESCAPE.search(text):
        return _form(text)
    pieces: list[str] = []
    other: list[str] = []
    for line in text.split("\n"):
        redacted = _json_line(line)
        if redacted is None:
            other.append(line)
            continue
        pieces += [*_rest(other), redacted]
        other = []
    return "\n".join([*pieces, *_rest(other)])


def redact_text(text: str) -> str:
    """Redact long words, the values of fields named as secrets, and repetitions of these values."""
    return _Redactor().text(text)


def redact_path(path: str) -> str:
    """Redact the segments of a URL path that are not short words, and all beyond the sixth."""
    segments = path.split("/", _MAX_SEGMENTS + 1)[1:]
    shown = [
        segment if not segment or _PATH_WORD.fullmatch(segment) else MARK for segment in segments
    ]
    if len(shown) > _MAX_SEGMENTS:
        shown[_MAX_SEGMENTS - 1 :] = [MARK]
    return "".join(f"/{segment}" for segment in shown)


def _form(text: str) -> str:
    """Redact the values of a form, which may be JSON."""
    fields = [
        (redact_text(name), MARK if _SECRET_NAME.fullmatch(name) else redact(value))
        for name, value in parse_qsl(text, keep_blank_values=True)
    ]
    return urlencode(fields).replace(quote(MARK), MARK)


def _json_line(line: str) -> str | None:
    if len(line) < _SHORTEST or not line.lstrip().startswith(("{", "[")):
        return None
    try:
        return _Redactor().json(line)
    except (ValueError, RecursionError):
        return None


def _rest(lines: list[str]) -> list[str]:
    """Redact lines that are not JSON as one text: a value may be on the line below its name."""
    return [redact_text("\n".join(lines))] if lines else []


class _Redactor:
    """Redacts one text, and remembers the secrets that it has found by their names."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def json(self, text: str) -> str:
        """Redact JSON; raises ValueError or RecursionError if it cannot be parsed."""
        value = _parsed(text)
        self._value(value, secret=False)  # the first pass finds the secrets, the second redacts
        return self._written(value)

    def _written(self, value: Any) -> str:
        return msgspec.json.encode(self._value(value, secret=False)).decode()

    def text(self, text: str) -> str:
        """Redact any text."""
        short = LONG_WORD.sub(MARK, text.encode("utf-8", "replace").decode())
        if _SEPARATOR.search(short):  # rare in a vendor's message
            short = self._without_named(short)
        return _WORD.sub(self._unless_secret, short) if self._secrets else short

    def _value(self, value: Any, *, secret: bool) -> Any:
        if isinstance(value, dict):
            return self._object(value, secret=secret)
        if isinstance(value, list):
            return [self._value(item, secret=secret) for item in value]
        if isinstance(value, msgspec.Raw):
            written = bytes(value).decode()
            if secret:
                self._secrets.add(written)
            hide = secret or LONG_WORD.search(written) or written in self._secrets
            return _ZERO if hide else value
        return self._string(value, secret=secret) if isinstance(value, str) else value

    def _object(self, fields: dict[str, Any], *, secret: bool) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        for number, (name, value) in enumerate(fields.items()):
            inside = secret or _SECRET_NAME.fullmatch(name) is not None
            shown = self._string(name, secret=secret)
            if shown in redacted:  # two names may be redacted to the same text
                shown = f"{shown}{number}"
            redacted[shown] = self._value(value, secret=inside)
        return redacted

    def _string(self, text: str, *, secret: bool) -> str:
        if secret and text:
            self._secrets.add(text)
            return MARK
        if text.lstrip().startswith(("{", "[")):  # JSON as a string, as MPS's `extInfo` may be
            try:
                return self._written(_parsed(text))
            except (ValueError, RecursionError):
                pass
        return self.text(text)

    def _without_named(self, text: str) -> str:
        """Redact the value after the name of a secret: a scalar, a list or an object."""
        pieces = []
        place = 0
        while match := _NAMED.search(text, place):
            name, value = match.groups()
            end = match.end()
            if value in "[{":
                end = _end_of_brackets(text, match.start(2))
                self._secrets.update(_WORD.findall(text, match.end(), end))
                shown = MARK
            else:
                shown = self._hidden(value)
            pieces += [text[place : match.start()], name, shown]
            place = end
        return "".join([*pieces, text[place:]])

    def _hidden(self, value: str) -> str:
        self._secrets.add(value.strip("\"'\\"))
        quote = value[0] if value[0] in "\"'" else ""
        end = quote if quote and len(value) > 1 and value.endswith(quote) else ""
        return f"{quote}{MARK}{end}"

    def _unless_secret(self, match: re.Match[str]) -> str:
        return MARK if match[0] in self._secrets else match[0]


def _end_of_brackets(text: str, start: int) -> int:
    """Return the position after the matching closing bracket, or the end of the text."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in "[{" else -1
        if not depth:
            return bracket.end()
    return len(text)


_ZERO = msgspec.Raw(b"0")


def _parsed(text: str) -> Any:
    # Numbers keep their text: some exceed the range of every type.
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)


def _number(written: str) -> msgspec.Raw:
    return msgspec.Raw(written.encode())


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
