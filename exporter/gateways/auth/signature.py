"""The base of the schemes with a signature; templates describe its place and the message."""

import base64
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from exporter.errors import Reason, RequestError
from exporter.gateways.auth.draft import Draft, DraftSlots
from exporter.gateways.auth.encodings import decode_base64, decode_hex
from exporter.gateways.auth.scheme import BodyValues, FileScheme, Known, Text
from exporter.gateways.auth.templates import (
    Context,
    OneTemplate,
    Template,
    body_paths,
    check_header,
    missing,
    split_parts,
)
from exporter.gateways.auth.timestamps import Unit, check_timestamp
from exporter.gateways.gateway import Credential, ReceivedRequest

_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"hex": decode_hex, "base64": decode_base64}
"""Decoders of signatures, by encoding; each raises ValueError."""


class SignatureScheme(FileScheme):
    """A signature in the request, over a message that is rendered from the request."""

    challenge: ClassVar[str] = "Signature"
    credential: ClassVar[str] = "secret"
    """The sender's word for the credential that verifies a signature."""

    signature: OneTemplate
    signed: OneTemplate = Field(default_factory=lambda: Template("{body}"))
    timestamp: OneTemplate | None = None
    unit: Unit = "s"
    tolerance: float = Field(300, gt=0, allow_inf_nan=False)
    header: Text | None = None
    parts: Text | None = None
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    user: str = ""

    @model_validator(mode="after")
    def _check_templates(self) -> Self:
        if (self.header is None) != (self.parts is None):
            raise ValueError("set both 'header' and 'parts', or neither")
        if self.header is None and any(
            template.has("part", named=True) for template in self._templates
        ):
            raise ValueError("{part:…} needs 'header' and 'parts'")
        if not self.signature.describe():
            raise ValueError("signature: needs a slot of the request")
        if self.header is not None:
            check_header(self.header)
        return self

    @property
    def _templates(self) -> list[Template]:
        templates = (self.signature, self.signed, self.timestamp)
        return [template for template in templates if template]

    @property
    def body_paths(self) -> list[str]:
        """The paths of `{body:X}`."""
        return body_paths(self._templates)

    @cached_property
    def _covers_body(self) -> bool:
        return self.signed.has("body", named=False)

    @cached_property
    def _covers_url(self) -> bool:
        return self.signed.has("url", named=False)

    @cached_property
    def _prefix(self) -> bytes:
        return self.prefix.encode()

    @property
    def expected(self) -> str:
        """The place of the signature."""
        return f"a signature in {self.signature.describe()}"

    def authenticate(
        self,
        request: ReceivedRequest,
        known: Sequence[Known],
        body_values: BodyValues | None = None,
        *,
        fresh: bool = True,
    ) -> Credential:
        """Accept a signature by any of the credentials.

        If the body has several signatures, all must be by the same credential.
        """
        context = Context(request, parts=self._split(request), user=self.user)
        candidates = known
        for values in body_values(request) if body_values else ({},):
            context.body_values = values
            match = self._match(context, candidates)
            if match is None:
                raise RequestError(
                    Reason.BAD_SIGNATURE,
                    f"No configured {self.credential} verifies the signature in "
                    f"{self.signature.describe()}.",
                )
            if fresh:
                self._check_age(context)
            candidates = [match]
        if candidates is known:
            raise missing(self.expected)
        return candidates[0].credential

    def _split(self, request: ReceivedRequest) -> dict[str, list[str]]:
        if self.header is None or self.parts is None:
            return {}
        header = request.headers.get(self.header)
        if not header:
            raise missing(f"header '{self.header}'")
        return split_parts(header, self.parts)

    def _match(self, context: Context, known: Sequence[Known]) -> Known | None:
        """Return the first credential that verifies one of the signatures."""
        signatures = self._signatures(context)
        for candidate in known:
            context.secret = candidate.secret
            for message in self._messages(context):
                if self.verifies(candidate, signatures, message):
                    return candidate
        return None

    def _messages(self, context: Context) -> Iterator[bytes]:
        """Yield the messages that the sender may have signed.

        Some senders sign a compressed body, others its content. The scheme of the URL is unknown
        behind a proxy.
        """
        request = context.request
        for body in request.bodies if self._covers_body else (request.body,):
            context.body = body
            for url in self._urls(request):
                context.url = url
                yield self.signed.render(context)

    def _urls(self, request: ReceivedRequest) -> Sequence[str]:
        """Return the URLs that the sender may have signed; an empty one without `{url}`."""
        if not self._covers_url:
            return ("",)
        address = request.address()
        return [f"https://{address}", f"http://{address}"]

    def _check_age(self, context: Context) -> None:
        """Raise RequestError (`stale_timestamp`) for a verified signature that is too old."""
        if self.timestamp:
            text = self.timestamp.render(context).decode("utf-8", "replace")
            name = self.timestamp.describe()
            check_timestamp(text, name, unit=self.unit, tolerance=self.tolerance)

    def _signatures(self, context: Context) -> list[bytes]:
        """Return the well-formed signatures; RequestError if there are none."""
        texts = self.signature.alternatives(context)
        if not any(texts):  # an empty value is valid in a message, but is not a signature
            raise missing(self.signature.describe())
        prefix, decode = self._prefix, _DECODERS[self.encoding]
        signatures = []
        for text in texts:
            try:
                if signature := decode(text.removeprefix(prefix)):
                    signatures.append(signature)
            except ValueError:
                pass
        if not signatures:
            raise RequestError(
                Reason.BAD_SIGNATURE,
                f"The signature in {self.signature.describe()} is not valid {self.encoding}.",
            )
        return signatures

    @abstractmethod
    def verifies(self, known: Known, signatures: Sequence[bytes], message: bytes) -> bool:
        """Whether a credential verifies any of the signatures of a message."""

    @abstractmethod
    def make(self, message: bytes, secret: bytes) -> bytes:
        """Return the signature of a message."""

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Fill the timestamp, then the empty slots of the message, then the signature."""
        slots = DraftSlots(draft, self.body_paths)
        if self.timestamp:
            slots.fill(self.timestamp, str(int(time.time() * (1000 if self.unit == "ms" else 1))))
        slots.fill(self.signed, draft.identity, overwrite=False)
        made = self.make(self.signed.render(slots.context(self.user, secret)), secret)
        text = base64.b64encode(made).decode() if self.encoding == "base64" else made.hex()
        slots.fill(self.signature, self.prefix + text)
        slots.write(self.header, self.parts)

    def warnings(self) -> list[str]:
        """Warn if the signature does not cover the body."""
        if self.signed.has("body", named=False):
            return []
        return ["auth.signed: without {body} anyone who has seen a request can change it"]
