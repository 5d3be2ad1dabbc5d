"""The Helm chart with a PostgreSQL ledger."""

from typing import Any

import pytest

from tests.support.helm import IMAGE, rendered_now


@pytest.mark.parametrize(
    ("postgresql", "ports"),
    [
        ({"url": "postgresql://push@db.example.com/push"}, [5432]),
        ({"url": "postgresql://push@db1:5433,db2,[2001:db8::1]:5433/push"}, [5433, 5432]),
        ({"url": "postgresql://push@[2001:db8::1]?sslmode=require&port=6432"}, [6432]),
        ({"url": "postgresql://push@db.push.svc/push", "port": 6432}, [6432]),
        ({"urlSecret": {"name": "push-app"}}, [5432]),
    ],
)
def test_database_is_reachable_on_its_ports(postgresql: dict[str, Any], ports: list[int]) -> None:
    """The NetworkPolicy allows the ports of the URL, unless another is given."""
    (policy,) = rendered_now(IMAGE | {"ledger": {"postgresql": postgresql}}, "NetworkPolicy")
    dns, database = policy["spec"]["egress"]
    assert {one["port"] for one in dns["ports"]} == {53, 5353}
    assert [one["port"] for one in database["ports"]] == ports


@pytest.mark.parametrize(
    ("interval", "seconds"), [("15s", 60), ("30s", 75), ("1m", 135), ("5m", 135), ("500ms", 60)]
)
def test_replica_has_time_for_its_last_scrapes(interval: str, seconds: int) -> None:
    """With PostgreSQL the termination time has room for two scrapes."""
    values = {"ledger": {"postgresql": {"urlSecret": {"name": "push-app"}}}}
    monitor = {"serviceMonitor": {"enabled": True, "interval": interval}}
    (workload,) = rendered_now(IMAGE | values | monitor, "Deployment")
    assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == seconds
