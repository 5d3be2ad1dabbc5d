"""Builds the PromQL queries of all dashboards.

All queries follow three rules. Aggregate before division and joins, so that replicas add up.
Apply `rate` and `increase` to each series first, so that a restart is no drop. For a channel with
results but none of the selected kind, return 0 instead of no data.
"""

from dashboards.names import TARGET_LABELS
from exporter.classification.alerts import ACCEPTED, WATCHES, AlertName
from exporter.metrics import metrics


def _watched_by(alert: AlertName) -> str:
    """Match the severities or categories counted by an alert."""
    label, values, _ = WATCHES[alert]
    return f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'


TARGETS = ", ".join(f'{label}=~"${label}"' for label in TARGET_LABELS)
CHANNEL = 'channel=~"$channel"'
APP = 'app=~"$app"'
"""The selected apps. Without APPS the label is absent, which *All* matches."""
OF_APP = 'app=~"$app|"'
"""Alerts of the selected apps, and alerts without an app."""
APNS = 'channel="apns"'
BAD_DEVICE_TOKEN = 'code="2009"'  # noqa: S105 - a status code

FAILED = _watched_by(AlertName.FAILURE_RATIO_HIGH)
CRITICAL = _watched_by(AlertName.CHANNEL_REJECTED)
UNKNOWN = _watched_by(AlertName.UNKNOWN_CODE)
NOT_INFO = 'severity!="info"'

OURS = f'alertname=~"{"|".join(AlertName)}"'
"""The alerts of the rules, by name: not all have the exporter's job."""
FIRING = 'alertstate="firing"'
EVALUATED = "push:min_results:threshold"
"""A series that exists if Prometheus evaluates deploy/prometheus/rules.yml."""
UP = "instance:push_exporter:up"
"""`up` of the exporters alone, recorded by these rules."""

TOKEN_INVALID = _watched_by(AlertName.INVALID_TOKEN_RATIO_HIGH)
THROTTLED = _watched_by(AlertName.THROTTLED)
OUTAGE = _watched_by(AlertName.VENDOR_OUTAGE)

SUCCEEDED = f'category=~"{"|".join(ACCEPTED)}"'

INTERVAL = "$__rate_interval"
RANGE = "$__range"
SHARE_WINDOW = "15m"
"""The window of current shares, long enough for some results on a quiet channel."""
COMPARISON_OFFSET = "1d"
"""The offset of the share for comparison: the same hour of the day before."""

CODE = ("channel", "code", "severity")
"""The labels that join push_results_total and push_code_info."""

REPLICA = (*TARGET_LABELS, "instance")
"""The labels of a replica; replicas of two exporters may have the same instance."""

RUNBOOK = "runbook"
"""The label with the name of a runbook."""


def select(metric: str, *matchers: str) -> str:
    """Select a metric of the selected exporters."""
    return f"{metric}{{{', '.join((TARGETS, *matchers))}}}"


def of_exporters(expression: str) -> str:
    """Restrict metrics that other programs expose, too, to the exporters.

    `up` would not match: with `GET /metrics?label=instance`, its instance differs from theirs.
    """
    return f"({expression} and ignoring (version, revision) {select(metrics.BUILD_INFO)})"


def select_results(*matchers: str) -> str:
    """Select the results of the selected channels and apps."""
    return select(metrics.RESULTS, CHANNEL, APP, *matchers)


def total(expression: str, *labels: str) -> str:
    """Sum over replicas and all labels except the given ones."""
    return f"sum by ({', '.join(labels)}) ({expression})" if labels else f"sum({expression})"


def rate(metric: str, *matchers: str, window: str = INTERVAL) -> str:
    """Return the per-second rate of each series."""
    return f"rate({select(metric, *matchers)}[{window}])"


def increase(metric: str, *matchers: str, window: str = RANGE) -> str:
    """Return the increase of each series over a window."""
    return f"increase({select(metric, *matchers)}[{window}])"


def quantile(of: float, metric: str) -> str:
    """Estimate a quantile of a histogram over all replicas; the highest of the exporters."""
    buckets = total(rate(f"{metric}_bucket"), *TARGET_LABELS, "le")
    return worst(f"histogram_quantile({of}, {buckets})")


def results(*matchers: str, window: str = INTERVAL, past: str = "") -> str:
    """Return the rate of each series of `$channel`, current or with an offset."""
    offset = f" offset {past}" if past else ""
    return f"rate({select_results(*matchers)}[{window}]{offset})"


def joined(
    per_code: str,
    *labels: str,
    info: tuple[str, ...] = (),
    window: str = INTERVAL,
    key: tuple[str, ...] = CODE,
) -> str:
    """Join the meaning of codes to an expression aggregated by the key.

    `topk(1)` selects a meaning if replicas differ temporarily, as during a reload; two meanings
    would be an error. The window preserves the meanings while an exporter restarts.
    """
    meaning = ", ".join((*key, *(label for label in labels if label not in key)))
    rows = f"last_over_time({select(metrics.CODE_INFO, CHANNEL, *info)}[{window}])"
    group_left = ", ".join(labels)
    return (
        f"{per_code} * on ({', '.join(key)}) group_left ({group_left}) "
        f"topk by ({', '.join(key)}) (1, max by ({meaning}) ({rows}))"
    )


def named_codes(*matchers: str, labels: tuple[str, ...] = (), info: tuple[str, ...] = ()) -> str:
    """Return the rate of each code with results, with its name and other labels."""
    per_code = total(results(*matchers), *CODE)
    return joined(f"({nonzero(per_code)})", "name", *labels, info=info)


def of_category(category: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Return the rate of results whose code has a category."""
    key = (*TARGET_LABELS, *CODE)
    per_code = total(results(window=window, past=past), *key, "app")
    # The current meaning is used for the past, too, so that both sides agree.
    return total(joined(per_code, "category", info=(category,), window=window, key=key), *by)


def share(part: str, whole: str) -> str:
    """Divide two aggregates: 0 if only the part is missing, no data without results."""
    return f"{or_zero(part, whole)} / ({whole} > 0)"


def or_zero(part: str, whole: str) -> str:
    """Return 0 if the part is missing but the whole exists."""
    return f"({part} or 0 * {whole})"


def severity_share(severity: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Return the share of results with a severity; the highest of the selected exporters."""
    targets = (*TARGET_LABELS, *by)
    part = total(results(severity, window=window, past=past), *targets)
    return worst(share(part, total(results(window=window, past=past), *targets)), *by)


def category_share(category: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Return the share of results whose code has a category, likewise."""
    targets = (*TARGET_LABELS, *by)
    part = of_category(category, *targets, window=window, past=past)
    return worst(share(part, total(results(window=window, past=past), *targets)), *by)


def accepted_share() -> str:
    """Return the share of accepted results by channel; the lowest of the selected exporters."""
    targets = (*TARGET_LABELS, "channel")
    accepted = share(of_category(SUCCEEDED, *targets), total(results(), *targets))
    return f"min by (channel) ({accepted})"


def bad_device_token_share(past: str = "") -> str:
    """Return the share of BadDeviceToken in the results of APNs, over SHARE_WINDOW."""
    window = f"[{SHARE_WINDOW}]" + (f" offset {past}" if past else "")
    part, whole = (
        total(f"rate({select(metrics.RESULTS, APNS, APP, *code)}{window})", *TARGET_LABELS)
        for code in ([BAD_DEVICE_TOKEN], [])
    )
    return worst(share(part, whole))


def worst(expression: str, *by: str) -> str:
    """Return the highest value, so that no healthy cluster hides a failing cluster."""
    return f"max by ({', '.join(by)}) ({expression})" if by else f"max({expression})"


def per_code(*matchers: str) -> str:
    """Count the results of each code over the time range.

    The series of an unknown code starts with its first result, which `increase` misses: for a new
    series the total is used instead.
    """
    unknown = select_results(UNKNOWN)
    before = total(f"last_over_time({unknown}[1h] offset {RANGE})", *CODE)
    grown = total(increase(metrics.RESULTS, CHANNEL, APP, *matchers), *CODE)
    return f"(({total(unknown, *CODE)} unless {before}) or {grown})"


def codes_in_range(*matchers: str) -> str:
    """Count the results of each code over the time range, with the meaning of the code."""
    counted = f"({per_code(*matchers)} > 0)"
    return with_runbook(joined(counted, "name", "category", "retry", window=RANGE))


def codes_share(*matchers: str) -> str:
    """Return the counts of codes_in_range as shares of each channel's results."""
    whole = total(increase(metrics.RESULTS, CHANNEL, APP), "channel")
    return f"{codes_in_range(*matchers)} / on (channel) group_left () ({whole} > 0)"


def with_runbook(expression: str) -> str:
    """Add a label with the most specific alert on a code, if any."""
    named = expression
    for alert, (label, values, channel) in reversed(WATCHES.items()):
        if channel:  # label_replace matches a single label
            continue
        named = f'label_replace({named}, "{RUNBOOK}", "{alert}", "{label}", "{"|".join(values)}")'
    return named


def unknown_in_range() -> str:
    """Count the results with unknown codes in the time range."""
    return total(per_code(UNKNOWN))


def seen_channels(expression: str) -> str:
    """Return the channels with results of all time."""
    return _seen(expression, "channel")


def seen_apps(expression: str) -> str:
    """Return the apps with results of all time; no data without apps."""
    return _seen(expression, "app", 'app!=""')


def _seen(expression: str, label: str, *matchers: str) -> str:
    last = select(metrics.LAST_RECEIVED, CHANNEL, APP, *matchers)
    return f"{expression} and on ({label}) max by ({label}) (last_over_time({last}[{INTERVAL}]))"


def last_received_age(label: str = "channel", *matchers: str) -> str:
    """Return the seconds since the last result of each channel, or app."""
    return f"time() - max by ({label}) ({select(metrics.LAST_RECEIVED, CHANNEL, APP, *matchers)})"


def critical(*by: str) -> str:
    """Count the current results that indicate a dead channel."""
    part, whole = (
        total(increase(metrics.RESULTS, CHANNEL, APP, *severity, window=SHARE_WINDOW), *by)
        for severity in ([CRITICAL], [])
    )
    return or_zero(part, whole)


def nonzero(expression: str) -> str:
    """Drop zeros, so that only series with events are drawn."""
    return f"{expression} > 0"


def firing(*matchers: str) -> str:
    """Count the firing alerts: 0 if there are none, no data if the rules are not loaded."""
    return f"count({alerts(FIRING, *matchers)}) or 0 * max({EVALUATED})"


def alerts(*matchers: str) -> str:
    """Select the alerts of the rules, for the selected exporters."""
    return f"ALERTS{{{', '.join((OURS, TARGETS, *matchers))}}}"


def recorded(name: str) -> str:
    """Select a series by channel and app recorded by deploy/prometheus/rules.yml."""
    return f"{name}{{{TARGETS}, {CHANNEL}, {APP}}}"


def of_accepted(outcome: str) -> str:
    """Return the share of accepted pushes with an outcome according to receipts.

    By channel of sending, as recorded by the rules over two hours; no data without such receipts.
    """
    share = recorded(f"channel:push_results_{outcome}:ratio2h")
    return f"max by (channel) ({share} and max_over_time({share}[1d]) > 0)"
