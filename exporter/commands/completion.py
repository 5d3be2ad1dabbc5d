"""Completion in bash, zsh and fish, by argcomplete, which runs the program at each Tab."""

import argparse
import os

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return the code that enables completion in a shell."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - needed here only

    return shellcode(["push-result-exporter"], shell=shell)


def is_completing() -> bool:
    """Whether a shell requests completions of the command line."""
    return "_ARGCOMPLETE" in os.environ


def words_typed() -> list[str]:
    """Return the words of the command line to complete, without the program's name."""
    return os.environ.get("COMP_LINE", "").split()[1:]


def complete(parser: argparse.ArgumentParser) -> None:
    """Write the completions for the shell, and exit."""
    import argcomplete  # noqa: PLC0415 - needed here only

    argcomplete.autocomplete(parser, always_complete_options=False)
