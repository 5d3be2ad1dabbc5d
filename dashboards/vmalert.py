"""The rules for vmalert before 1.92, which does not support `keep_firing_for`."""

import re
from pathlib import Path

from dashboards import rules

FILE = rules.FILE.with_name("rules-vmalert.yml")
_HEADER = """\
# Made by `make dashboards` from rules.yml, without keep_firing_for: for vmalert older than 1.92.
#
"""


def files() -> dict[Path, str]:
    """Build the file by its path."""
    text = rules.FILE.read_text("utf-8")
    return {FILE: _HEADER + re.sub(r"^ *keep_firing_for: .*\n", "", text, flags=re.MULTILINE)}
