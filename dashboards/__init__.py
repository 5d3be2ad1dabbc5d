"""Grafana dashboards as code; `python -m dashboards` builds the files in deploy/."""

import warnings

# The SDK recommends Grafana's schema v2, for which Grafana 11 and 12 need a feature toggle to read
# files; all versions load schema v1 (schemaVersion 42).
warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
