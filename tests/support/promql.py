"""Results, read back from Prometheus."""

import json
from urllib.parse import quote

from tests.support.programs import fetch

QUERY = "sum by (channel, code, severity) (push_results_total)"

Series = tuple[str, str, str]


def ask(url: str, query: str) -> dict[Series, float]:
    """Evaluate a query; return the values other than 0 by channel, code and severity."""
    answer = json.loads(fetch(f"{url}/api/v1/query?query={quote(query)}"))
    found = {}
    for sample in answer["data"]["result"]:
        labels = sample["metric"]
        value = float(sample["value"][1])
        if value:
            found[labels["channel"], labels["code"], labels["severity"]] = value
    return found
