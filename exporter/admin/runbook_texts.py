"""The shipped runbooks, rendered from Markdown to safe HTML."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from exporter.configuration.files import data_folder

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

_Tokens: TypeAlias = "Sequence[Token]"
_Values = dict[str, Any]

_ROLES = {
    "table_open": "table",
    "thead_open": "rowgroup",
    "tbody_open": "rowgroup",
    "tr_open": "row",
    "th_open": "columnheader",
    "td_open": "cell",
}
"""Explicit roles, so that rows keep them when CSS turns them into cards on a phone."""


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

_ANYTHING = (escape('".+"'), escape('".*"'))
"""The placeholders in queries: any value of a label."""

_SILENCED = re.compile(r"(alertname=\w+)(?: \w+=[\w.-]+)*")
"""The matchers of a silence, with an example of labels."""


class Runbook(NamedTuple):
    """A runbook as HTML, with the root `./`."""

    alert: str
    summary: str
    """The paragraphs before the first section."""
    sections: str


@cache
def load_runbooks() -> Mapping[str, Runbook]:
    """Read the runbooks of this version, by alert."""
    paths = sorted(data_folder("deploy/runbooks").glob("Push*.md"))
    return {path.stem: parse_runbook(path.stem, path.read_text("utf-8")) for path in paths}


def parse_runbook(alert: str, text: str) -> Runbook:
    """Render a runbook without its first heading, since the page has a heading."""
    parser = _parser()
    tokens = parser.parse(text)
    _prepare_tables(tokens)
    headings = [(token.tag, n) for n, token in enumerate(tokens) if token.type == "heading_open"]
    start = 3 if headings[:1] == [("h1", 0)] else 0  # tokens: open, inline, close
    end = next((n for tag, n in headings if tag == "h2"), len(tokens))
    summary, sections = (
        str(parser.renderer.render(part, parser.options, {}))
        for part in (tokens[start:end], tokens[end:])
    )
    return Runbook(alert, summary, sections)


def filled_in(html: str, labels: Mapping[str, str]) -> str:
    """Put the values of labels into queries and into the command for a silence.

    Values that are not valid names are omitted.
    """
    names = {label: value for label, value in labels.items() if _NAME.fullmatch(value)}
    if not names:
        return html
    for label, value in names.items():
        for anything in _ANYTHING:
            html = html.replace(f"{label}=~{anything}", f"{label}=&quot;{value}&quot;")
    matchers = "".join(f" {label}={value}" for label, value in names.items())
    return _SILENCED.sub(rf"\1{matchers}", html)


def _prepare_tables(tokens: _Tokens) -> None:
    """Add names and roles to tables, and column names to cells."""
    heading, columns, column = "", [""], 0
    for token, following in zip_longest(tokens, tokens[1:]):
        # The Content-Security-Policy forbids inline styles.
        if token.attrs.pop("style", None) == "text-align:right":
            token.attrSet("class", "number")
        if role := _ROLES.get(token.type):
            token.attrSet("role", role)
        text = following.content if following and following.type == "inline" else ""
        match token.type:
            case "heading_open":
                heading = text
            case "table_open":
                columns = []
                token.attrSet("class", "rows stacked")
                token.attrSet("aria-label", heading)
            case "th_open":
                columns.append(text)
                token.attrSet("scope", "col")
            case "tr_open":
                column = 0
            case "td_open":
                token.attrSet("data-label", columns[column])
                column += 1


def _link(
    html: "RendererHTML", tokens: _Tokens, at: int, options: "OptionsDict", env: _Values
) -> str:
    """Link other runbooks by their pages, and other sites without a referrer."""
    token = tokens[at]
    address = str(token.attrs["href"])
    if "/" not in address and address.endswith(".md"):
        token.attrSet("href", f"./runbooks/{address.removesuffix('.md')}")
    else:
        token.attrSet("rel", "noreferrer")
    return html.renderToken(tokens, at, options, env)


def _code(
    html: "RendererHTML", tokens: _Tokens, at: int, options: "OptionsDict", env: _Values
) -> str:
    """Make a block of code scrollable by keyboard, with a copy button."""
    del html, options, env
    line = (tokens[at].map or [0])[0]
    code = f'<pre id="code-{line}" tabindex="0"><code>{escape(tokens[at].content)}</code></pre>'
    button = f'<button type="button" class="copy" data-copy="code-{line}">Copy</button>'
    return f'<div class="code">{code}\n{button}</div>\n'


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - for the first runbook, in its thread

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("fence", _code)
    return parser
