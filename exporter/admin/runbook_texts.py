"""The shipped runbooks, from Markdown to HTML that is safe and reads well on a phone."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from exporter.configuration.files import data_folder

_Tokens = Sequence[Token]
_Values = dict[str, Any]


class Runbook(NamedTuple):
    """What to do about an alert: the paragraphs before the first section, and the sections."""

    alert: str
    summary: _Tokens
    sections: _Tokens

    def html(self, part: _Tokens, runbooks: str) -> str:
        """Render a part; `runbooks` is the address of all runbooks, up to their names."""
        return str(_PARSER.renderer.render(part, _PARSER.options, {"runbooks": runbooks}))


@cache
def load_runbooks() -> Mapping[str, Runbook]:
    """Read the runbooks that come with this version, by alert."""
    paths = sorted(data_folder("deploy/runbooks").glob("Push*.md"))
    return {path.stem: parse_runbook(path.stem, path.read_text("utf-8")) for path in paths}


def parse_runbook(alert: str, text: str) -> Runbook:
    """Take a runbook apart; its first heading is left out, since the page has its own."""
    tokens = _PARSER.parse(text)
    for cell in tokens:
        # The pages allow no styles of their own.
        if cell.attrs.pop("style", None) == "text-align:right":
            cell.attrSet("class", "number")
    headings = [(one.tag, n) for n, one in enumerate(tokens) if one.type == "heading_open"]
    start = 3 if headings[:1] == [("h1", 0)] else 0  # opened, text, closed
    end = next((n for tag, n in headings if tag == "h2"), len(tokens))
    return Runbook(alert, tokens[start:end], tokens[end:])


def _link(html: RendererHTML, tokens: _Tokens, at: int, options: OptionsDict, env: _Values) -> str:
    """Let a link to another runbook lead to its page, and tell no other site where it is."""
    token = tokens[at]
    address = str(token.attrs["href"])
    if "/" not in address and address.endswith(".md"):
        attributes = {"href": env["runbooks"] + address.removesuffix(".md")}
    else:
        attributes = {"href": address, "rel": "noreferrer"}
    # A copy, since the tokens are rendered for each request.
    return html.renderToken([token.copy(attrs=attributes)], 0, options, env)


def _table(html: RendererHTML, tokens: _Tokens, at: int, options: OptionsDict, env: _Values) -> str:
    """Let a table scroll by itself, and not the page; the keyboard can scroll it, too."""
    table = html.renderToken(tokens, at, options, env)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{table}'


def _table_end(*_: object) -> str:
    return "</table></div>\n"


def _code(html: RendererHTML, tokens: _Tokens, at: int, options: OptionsDict, env: _Values) -> str:
    """Let a block of code scroll by itself."""
    return html.fence(tokens, at, options, env).replace("<pre>", '<pre tabindex="0">', 1)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("table_open", _table)
    parser.add_render_rule("table_close", _table_end)
    parser.add_render_rule("fence", _code)
    return parser


_PARSER = _parser()
