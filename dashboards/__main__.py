"""Write the dashboards into deploy/grafana/dashboards/."""

from dashboards import build

if __name__ == "__main__":
    build.write()
