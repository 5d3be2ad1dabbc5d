"""The names that an operator may want to change."""

DATASOURCE = "prometheus"
"""The uid of the data source of the alerts; dashboards have a variable."""

FOLDER = "Push"
"""The folder of dashboards and alerts in Grafana."""

TEAM, ON_CALL = "push-team", "push-on-call"
"""The contact points of all alerts, and of critical alerts."""

TARGET_LABELS = ("cluster", "environment", "namespace", "job")
"""The labels of targets: variables of every dashboard, preserved by every query."""
