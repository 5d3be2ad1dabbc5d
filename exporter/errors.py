"""The two ways in which input from outside is refused."""


class ConfigurationError(ValueError):
    """A setting, key, token or code table is unusable; the message names it and where it is."""


class Refusal(Exception):  # noqa: N818 - an answer to the sender, not a fault of ours
    """A webhook call that gets an error answer.

    `reason` is the public word for it (a label value and the answer's `error`);
    `detail` is a sentence for the sender and never repeats a secret or a target id.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def draining() -> Refusal:
    """Refuse what comes while the exporter stops."""
    return Refusal("draining", "The exporter is stopping; send the results again.")
