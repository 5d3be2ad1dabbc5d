"""Completion in bash, zsh and fish: argcomplete runs the program at each Tab."""

import argparse
import os

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return the code that a shell evaluates to have completion."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - nothing else needs it

    return shellcode(["push-result-exporter"], shell=shell)


def is_completing() -> bool:
    """Whether a shell asks for completions of the line that is being typed."""
    return "_ARGCOMPLETE" in os.environ


def words_typed() -> list[str]:
    """Return the words of that line, without the program's name."""
    return os.environ.get("COMP_LINE", "").split()[1:]


def complete(parser: argparse.ArgumentParser) -> None:
    """Write the completions for the shell, and exit."""
    import argcomplete  # noqa: PLC0415 - nothing else needs it

    argcomplete.autocomplete(parser, always_complete_options=False)
