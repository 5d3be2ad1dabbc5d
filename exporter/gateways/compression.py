"""Decompresses gzip, for the header Content-Encoding and for descriptions."""

import zlib

from exporter.errors import Reason, RequestError

GZIP_MAGIC = b"\x1f\x8b"

MAX_MEMBERS = 64
"""Maximum number of gzip members of a body; a member may be as small as a few bytes."""

_SLICE_BYTES = 65_536
"""Bytes passed to zlib at a time: it copies all bytes after the end of a member."""


def unpack_gzip(data: bytes, max_bytes: int) -> bytes:
    """Decompress all members of a gzip file, up to a size.

    Raises RequestError: `too_large`, or `malformed_body` for truncated or other data.
    """
    content: list[bytes] = []
    space = max_bytes + 1
    members = position = 0
    unpacker = None
    while position < len(data):
        if unpacker is None:
            members += 1
            unpacker = _begin(members)
        piece = data[position : position + _SLICE_BYTES]
        try:
            content.append(unpacker.decompress(piece, space))
        except zlib.error:
            raise _malformed("The body is not gzip.") from None
        space -= len(content[-1])
        if not space:
            detail = f"The body is larger than {max_bytes:,} bytes when decompressed."
            raise RequestError(Reason.TOO_LARGE, detail)
        position += len(piece) - len(unpacker.unused_data)
        if unpacker.eof:
            unpacker = None
    if unpacker is not None:
        raise _malformed("The gzip data is truncated.")
    return b"".join(content)


def _begin(members: int) -> "zlib._Decompress":
    if members > MAX_MEMBERS:
        raise _malformed(f"The body has more than {MAX_MEMBERS} gzip members.")
    return zlib.decompressobj(wbits=31)


def _malformed(detail: str) -> RequestError:
    return RequestError(Reason.MALFORMED_BODY, detail)
