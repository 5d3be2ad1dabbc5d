"""PromQL in pieces: every query of every dashboard is put together here.

Three rules hold in all of them. Aggregate before dividing and before joining, so that replicas
add up. Take `rate` and `increase` of each series first, so that a restart is no drop. Where a
channel has results but none of the kind asked for, the answer is 0 and not nothing.
"""

from dashboards.names import TARGET_LABELS
from exporter.classification.alerts import ACCEPTED, WATCHES, AlertName
from exporter.metrics import metrics


def _watched_by(alert: AlertName) -> str:
    """Match the severities or categories that an alert counts."""
    label, values, _ = WATCHES[alert]
    return f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'


TARGETS = ", ".join(f'{label}=~"${label}"' for label in TARGET_LABELS)
CHANNEL = 'channel=~"$channel"'
APP = 'app=~"$app"'
"""The chosen apps. Without APPS the label is absent, which All matches."""
OF_APP = 'app=~"$app|"'
"""Alerts of the chosen apps, and those that are of no app."""
APNS = 'channel="apns"'
BAD_DEVICE_TOKEN = 'code="2009"'  # noqa: S105 - a status code

FAILED = _watched_by(AlertName.FAILURE_RATIO_HIGH)
CRITICAL = _watched_by(AlertName.CHANNEL_REJECTED)
UNKNOWN = _watched_by(AlertName.UNKNOWN_CODE)
NOT_INFO = 'severity!="info"'

OURS = 'alertname=~"Push.+"'
"""Our alerts; they need not carry the exporter's job."""
FIRING = 'alertstate="firing"'
EVALUATED = "push:min_results:threshold"
"""A series that is there wherever Prometheus evaluates deploy/prometheus/rules.yml."""

TOKEN_INVALID = _watched_by(AlertName.INVALID_TOKEN_RATIO_HIGH)
THROTTLED = _watched_by(AlertName.THROTTLED)
OUTAGE = _watched_by(AlertName.VENDOR_OUTAGE)

SUCCEEDED = f'category=~"{"|".join(ACCEPTED)}"'

INTERVAL = "$__rate_interval"
RANGE = "$__range"
SHARE_WINDOW = "15m"
"""The window of the current shares: long enough for a few results on a quiet channel."""
COMPARISON_OFFSET = "1d"
"""How far back the share that a panel compares with is taken: the same hour of the day before."""

CODE = ("channel", "code", "severity")
"""The labels by which push_results_total and push_code_info are joined."""

RUNBOOK = "runbook"
"""The label that names a runbook."""


def select(metric: str, *matchers: str) -> str:
    """Select a metric of the chosen exporters."""
    return f"{metric}{{{', '.join((TARGETS, *matchers))}}}"


def select_results(*matchers: str) -> str:
    """Select the results of the chosen channels and apps."""
    return select(metrics.RESULTS, CHANNEL, APP, *matchers)


def total(expression: str, *labels: str) -> str:
    """Sum over replicas and whatever else is not asked for."""
    return f"sum by ({', '.join(labels)}) ({expression})" if labels else f"sum({expression})"


def rate(metric: str, *matchers: str, window: str = INTERVAL) -> str:
    """Give the increase a second of each series."""
    return f"rate({select(metric, *matchers)}[{window}])"


def increase(metric: str, *matchers: str, window: str = RANGE) -> str:
    """Give the increase of each series over a window."""
    return f"increase({select(metric, *matchers)}[{window}])"


def quantile(of: float, metric: str) -> str:
    """Estimate a quantile of a histogram over all replicas."""
    return f"histogram_quantile({of}, {total(rate(f'{metric}_bucket'), 'le')})"


def results(*matchers: str, window: str = INTERVAL, past: str = "") -> str:
    """Give the results a second of each series of `$channel`, now or in the past."""
    offset = f" offset {past}" if past else ""
    return f"rate({select_results(*matchers)}[{window}]{offset})"


def joined(
    per_code: str,
    *labels: str,
    info: tuple[str, ...] = (),
    window: str = INTERVAL,
    key: tuple[str, ...] = CODE,
) -> str:
    """Join what a code means to an expression that is aggregated by the key.

    `topk(1)` leaves one meaning of a code where replicas differ for a moment, as in a reload; two
    would be an error. The window holds the meanings while an exporter restarts.
    """
    meaning = ", ".join((*key, *(label for label in labels if label not in key)))
    rows = f"last_over_time({select(metrics.CODE_INFO, CHANNEL, *info)}[{window}])"
    group_left = ", ".join(labels)
    return (
        f"{per_code} * on ({', '.join(key)}) group_left ({group_left}) "
        f"topk by ({', '.join(key)}) (1, max by ({meaning}) ({rows}))"
    )


def named_codes(*matchers: str, labels: tuple[str, ...] = (), info: tuple[str, ...] = ()) -> str:
    """Give the results a second of each code that came, with its name and other labels."""
    per_code = total(results(*matchers), *CODE)
    return joined(f"({nonzero(per_code)})", "name", *labels, info=info)


def of_category(category: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Give the results per second whose code is of a category."""
    key = (*TARGET_LABELS, *CODE)
    per_code = total(results(window=window, past=past), *key, "app")
    # What a code means is asked of today for the past, too: one meaning on both sides.
    return total(joined(per_code, "category", info=(category,), window=window, key=key), *by)


def share(part: str, whole: str) -> str:
    """Divide two aggregates: 0 where there is no such part, nothing without results."""
    return f"{or_zero(part, whole)} / ({whole} > 0)"


def or_zero(part: str, whole: str) -> str:
    """Give 0 where there is no such part, but what it is a part of."""
    return f"({part} or 0 * {whole})"


def severity_share(severity: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Give the share of results that have a severity, of the worst of the chosen exporters."""
    targets = (*TARGET_LABELS, *by)
    part = total(results(severity, window=window, past=past), *targets)
    return worst(share(part, total(results(window=window, past=past), *targets)), *by)


def category_share(category: str, *by: str, window: str = INTERVAL, past: str = "") -> str:
    """Give the share of results whose code is of a category, in the same way."""
    targets = (*TARGET_LABELS, *by)
    part = of_category(category, *targets, window=window, past=past)
    return worst(share(part, total(results(window=window, past=past), *targets)), *by)


def accepted_share() -> str:
    """Give the share of each channel's results that were accepted; here the lowest is the worst."""
    targets = (*TARGET_LABELS, "channel")
    accepted = share(of_category(SUCCEEDED, *targets), total(results(), *targets))
    return f"min by (channel) ({accepted})"


def bad_device_token_share(past: str = "") -> str:
    """Give the share of APNs results that are BadDeviceToken, over SHARE_WINDOW."""
    window = f"[{SHARE_WINDOW}]" + (f" offset {past}" if past else "")
    part, whole = (
        total(f"rate({select(metrics.RESULTS, APNS, APP, *code)}{window})", *TARGET_LABELS)
        for code in ([BAD_DEVICE_TOKEN], [])
    )
    return worst(share(part, whole))


def worst(expression: str, *by: str) -> str:
    """Show the highest share, so that no healthy cluster hides a failing one."""
    return f"max by ({', '.join(by)}) ({expression})" if by else f"max({expression})"


def per_code(*matchers: str) -> str:
    """Count the results of each code over the time range.

    A code that no table has starts with its first result, which `increase` does not see: where
    its series was not there before, its total is what came.
    """
    unknown = select_results(UNKNOWN)
    before = total(f"last_over_time({unknown}[1h] offset {RANGE})", *CODE)
    grown = total(increase(metrics.RESULTS, CHANNEL, APP, *matchers), *CODE)
    return f"(({total(unknown, *CODE)} unless {before}) or {grown})"


def codes_in_range(*matchers: str) -> str:
    """Count the results of each code over the time range, with what the codes mean."""
    counted = f"({per_code(*matchers)} > 0)"
    return with_runbook(joined(counted, "name", "category", "retry", window=RANGE))


def codes_share(*matchers: str) -> str:
    """Give what codes_in_range counts as a share of each channel's results."""
    whole = total(increase(metrics.RESULTS, CHANNEL, APP), "channel")
    return f"{codes_in_range(*matchers)} / on (channel) group_left () ({whole} > 0)"


def with_runbook(expression: str) -> str:
    """Name the most specific alert that watches a code, if one does, in a label."""
    named = expression
    for alert, (label, values, channel) in reversed(WATCHES.items()):
        if channel:  # a label_replace has one label to look at
            continue
        named = f'label_replace({named}, "{RUNBOOK}", "{alert}", "{label}", "{"|".join(values)}")'
    return named


def unknown_in_range() -> str:
    """Count the results of the time range whose code is in no table."""
    return total(per_code(UNKNOWN))


def seen_channels(expression: str) -> str:
    """Keep the channels that ever had a result."""
    return _seen(expression, "channel")


def seen_apps(expression: str) -> str:
    """Keep the apps that ever had a result; nothing where there are no apps."""
    return _seen(expression, "app", 'app!=""')


def _seen(expression: str, label: str, *matchers: str) -> str:
    last = select(metrics.LAST_RECEIVED, CHANNEL, APP, *matchers)
    return f"{expression} and on ({label}) max by ({label}) (last_over_time({last}[{INTERVAL}]))"


def last_received_age(label: str = "channel", *matchers: str) -> str:
    """Give the seconds since the last result of each channel, or app."""
    return f"time() - max by ({label}) ({select(metrics.LAST_RECEIVED, CHANNEL, APP, *matchers)})"


def critical(*by: str) -> str:
    """Count the results of now that say a channel is probably dead."""
    part, whole = (
        total(increase(metrics.RESULTS, CHANNEL, APP, *severity, window=SHARE_WINDOW), *by)
        for severity in ([CRITICAL], [])
    )
    return or_zero(part, whole)


def nonzero(expression: str) -> str:
    """Drop what is 0, so that only what happened has a line."""
    return f"{expression} > 0"


def firing(*matchers: str) -> str:
    """Count the alerts that fire: 0 if none does, nothing if our rules are not loaded."""
    return f"count({alerts(FIRING, *matchers)}) or 0 * max({EVALUATED})"


def alerts(*matchers: str) -> str:
    """Select the alerts that Prometheus evaluates from our rules, of the chosen exporters."""
    return f"ALERTS{{{', '.join((OURS, TARGETS, *matchers))}}}"


def recorded(name: str) -> str:
    """Select a series by channel and app that deploy/prometheus/rules.yml records."""
    return f"{name}{{{TARGETS}, {CHANNEL}, {APP}}}"


def of_accepted(outcome: str) -> str:
    """Give the share of accepted pushes that receipts say had an outcome, by channel of sending.

    As the rules record it, over two hours; only where there ever was such a receipt.
    """
    share = recorded(f"channel:push_results_{outcome}:ratio2h")
    return f"max by (channel) ({share} and max_over_time({share}[1d]) > 0)"
