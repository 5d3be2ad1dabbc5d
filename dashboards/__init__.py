"""Grafana dashboards as code; `python -m dashboards` writes what users apply."""

import warnings

# The SDK would rather have dashboards in Grafana's schema v2, which Grafana 11 and 12 do not read
# from files without a feature toggle; schema v1 (schemaVersion 42) loads in all of them.
warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
