"""Signatures and secrets as text: base64 of either alphabet, and hexadecimal."""

import binascii

_STANDARD_ALPHABET = bytes.maketrans(b"-_ ", b"+/+")  # a `+` in a query may arrive as a space


def decode_base64(text: bytes) -> bytes:
    """Decode base64 in either alphabet, padded or not; ValueError for anything else."""
    data = text.translate(_STANDARD_ALPHABET).rstrip(b"=")
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)


def decode_hex(text: bytes) -> bytes:
    """Decode hexadecimal digits of either case; ValueError for anything else."""
    return binascii.a2b_hex(text)
