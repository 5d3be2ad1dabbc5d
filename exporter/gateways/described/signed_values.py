"""Values of a body that are part of the signed message, read before authentication."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from exporter.errors import Reason, RequestError
from exporter.gateways.described.content import ContentReader
from exporter.gateways.described.structs import ItemStruct
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.item_format import ItemJson
from exporter.gateways.paths import parse_path
from exporter.gateways.steps import finish
from exporter.gateways.text import MALFORMED
from exporter.gateways.values import ItemError, array_of

MAX_BYTES = 65_536
"""Maximum size of a body with a signature inside, decompressed."""


class SignedValues:
    """Reads only the paths of `{body:X}`, from a body of bounded size."""

    def __init__(self, paths: Sequence[str], content: ContentReader) -> None:
        self._paths = paths
        parsed = [parse_path(path) for path in paths]
        struct = ItemStruct(parsed)
        self._values = struct.values(parsed)
        self._decode = msgspec.json.Decoder(struct.type).decode
        self._lenient = struct.lenient
        self._content = content

    def __call__(self, request: ReceivedRequest) -> Iterator[Mapping[str, str]]:
        """Yield the values of each line, of each element of an array, or of the body itself.

        Raises RequestError (`too_large`). An invalid body has no values.
        """
        for document in self._documents(request):
            yield self._present(document)

    def _documents(self, request: ReceivedRequest) -> Iterator[ItemJson]:
        if len(request.content) > MAX_BYTES:
            detail = f"A body with the signature inside has at most {MAX_BYTES:,} bytes."
            raise RequestError(Reason.TOO_LARGE, detail)
        try:
            texts = finish(self._content.texts(request, MAX_BYTES))
            for text in texts:
                yield from _elements(text) if len(texts) == 1 else [text]
        except RequestError as error:
            if error.reason is Reason.TOO_LARGE:
                raise

    def _present(self, document: ItemJson) -> Mapping[str, str]:
        try:
            try:
                item = self._decode(document)
            except msgspec.ValidationError:
                item = self._lenient(document)
        except (*MALFORMED, ItemError):
            return {}
        values = zip(self._paths, self._values(item), strict=True)
        return {
            path: str(value)
            for path, value in values
            if isinstance(value, str | int | float)  # empty text can be part of a message
        }


def _elements(text: bytes) -> Sequence[ItemJson]:
    try:
        array = array_of(text)
    except MALFORMED:
        return []
    return [text] if array is None else array
