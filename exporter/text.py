"""Text from outside, made fit for where it goes."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Replace what is invisible or no character: NUL, controls, halves of surrogate pairs.

    A NUL ends Prometheus' parsing of a scrape, half a surrogate pair cannot be encoded at all, and
    a line end or a change of writing direction would say something that the text does not.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else REPLACEMENT for one in text)
