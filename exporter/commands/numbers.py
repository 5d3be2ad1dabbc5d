"""Numbers on the command line; argparse shows the sentence of an ArgumentTypeError."""

import argparse
import math


def whole_number(text: str) -> int:
    """Parse a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def positive_number(text: str) -> float:
    """Parse a number greater than 0."""
    number = _finite(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number greater than 0")
    return number


def hours(text: str) -> float:
    """Parse a number of hours."""
    number = _finite(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours")
    return number


def _finite(text: str) -> float:
    """Parse a finite number; NaN for any other text."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
