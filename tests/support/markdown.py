"""The documentation as data: its files, their code blocks, links and anchors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

NOT_TESTED = "# not tested: "
"""First line of a shell example that cannot run in a test, followed by the reason."""


class Block(NamedTuple):
    """A fenced block of code."""

    file: Path
    line: int
    language: str
    code: str

    def leads_to(self, other: "Block") -> bool:
        """Whether nothing but a blank line stands between this block and another one below."""
        return other.line == self.line + self.code.count("\n") + 3

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """List every Markdown file of the repository, but for what tools put into hidden folders."""
    patterns = ("*.md", ".github/**/*.md", "[!.]*/**/*.md")
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(path for path in found if not {"node_modules", "dist"} & {*path.parts})


def code_blocks(file: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a file; one inside a list is unindented."""
    fence = re.compile(r"^( *)```(\S*).*\n((?:.*\n)*?)\1```$", re.MULTILINE)
    text = file.read_text("utf-8")
    for match in fence.finditer(text):
        indent, language, code = match.groups()
        code = re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        yield Block(file, text.count("\n", 0, match.start()) + 1, language, code)


def links(file: Path) -> list[str]:
    """List the targets of links and images, but for code and addresses of other sites."""
    text = _prose(file)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(file: Path) -> set[str]:
    """List the anchors that GitHub gives to the headings of a file."""
    headings = re.findall(r"^#+ +(.*)$", _prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def words(file: Path) -> int:
    """Count the words of a file, without code and markup."""
    text = re.sub(r"<[^>]*>|\]\([^)]*\)|[|#*`\[\]-]+", " ", _prose(file))
    return len(text.split())


def _prose(file: Path) -> str:
    return re.sub(r"^( *)```(?:.*\n)*?\1```$", "", file.read_text("utf-8"), flags=re.MULTILINE)
