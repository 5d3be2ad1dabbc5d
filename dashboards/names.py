"""The names that an operator may want to change, each in this one place."""

DATASOURCE = "prometheus"
"""The uid of the data source that the alerts query; dashboards let people choose."""

FOLDER = "Push"
"""The folder in which Grafana keeps dashboards and alerts."""

TEAM, ON_CALL = "push-team", "push-on-call"
"""The contact points: who gets every alert, and who gets the critical ones."""

TARGET_LABELS = ("cluster", "environment", "namespace", "job")
"""The labels that targets bring: variables of every dashboard, kept in every query."""
