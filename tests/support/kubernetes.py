"""What the API server refuses although its published schemas allow it, checked in any object."""

import re
from collections.abc import Iterator
from typing import Any

from tests.support.helm import Manifest

_SEGMENT = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){_SEGMENT}(\.{_SEGMENT})*")
_DNS_LABEL = re.compile(rf"(?=.{{1,63}}$){_SEGMENT}")
_SERVICE = re.compile(r"(?=.{1,63}$)[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(?=.{0,63}$)(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(
    rf"({_SEGMENT}(\.{_SEGMENT})*/)?(?=.{{1,63}}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
)
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_ENUMERATIONS: dict[str, set[str]] = {
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "effect": {"NoSchedule", "PreferNoSchedule", "NoExecute"},
    "externalTrafficPolicy": {"Cluster", "Local"},
    "fsGroupChangePolicy": {"OnRootMismatch", "Always"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "ipFamilies": {"IPv4", "IPv6"},
    "ipFamilyPolicy": {"SingleStack", "PreferDualStack", "RequireDualStack"},
    "operator": {"In", "NotIn", "Exists", "DoesNotExist", "Equal", "Gt", "Lt"},
    "pathType": {"Exact", "Prefix", "ImplementationSpecific"},
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "httpGet.scheme": {"HTTP", "HTTPS"},
    "whenDeleted": {"Retain", "Delete"},
    "whenScaled": {"Retain", "Delete"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
}
_TYPES = {
    "Service": {"ClusterIP", "NodePort", "LoadBalancer"},
    "strategy": {"RollingUpdate", "Recreate"},
    "updateStrategy": {"RollingUpdate", "OnDelete"},
    "seccompProfile": {"RuntimeDefault", "Localhost", "Unconfined"},
}
_PORTS = {"port", "containerPort", "hostPort", "nodePort", "targetPort"}
_UNIQUE = {
    "volumes": "name",
    "containers": "name",
    "ports": "name",
    "env": "name",
    "volumeMounts": "mountPath",
}


def problems(manifest: Manifest) -> list[str]:
    """List what the API server refuses of an object, with the place of each."""
    name = manifest["metadata"]["name"]
    pattern = _SERVICE if manifest["kind"] == "Service" else _SUBDOMAIN
    found = [] if pattern.fullmatch(name) else [f"metadata.name: {name}"]
    found += [] if manifest["kind"] != "Service" else _one_of("type", manifest["spec"], "Service")
    return found + [f"{place}: {value}" for place, value in _refused(manifest, ())]


def _one_of(key: str, spec: Manifest, types: str) -> list[str]:
    value = spec.get(key)
    return [] if value is None or value in _TYPES[types] else [f"{types}.{key}: {value}"]


def _refused(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    key, above = ("", "", *path)[-1], ("", "", *path)[-2]
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _refused(below, (*path, name))
        if key in _TYPES:
            yield from ((".".join(path), problem) for problem in _one_of("type", value, key))
    elif isinstance(value, list):
        for below in value:
            yield from _refused(below, path)
        yield from _repeated(value, path)
    elif not _accepted(key, above, value):
        yield ".".join(path), value


def _accepted(key: str, above: str, value: Any) -> bool:
    """Whether a scalar may stand under its key."""
    text = str(value)
    if above in {"labels", "matchLabels"}:
        return bool(_KEY.fullmatch(key) and isinstance(value, str) and _LABEL_VALUE.fullmatch(text))
    if above == "annotations":
        return bool(_KEY.fullmatch(key)) and isinstance(value, str)
    if above in {"requests", "limits"} or key in {"sizeLimit", "storage"}:
        return bool(_QUANTITY.fullmatch(text))
    if key in _PORTS:
        return 0 < value < 65536 if isinstance(value, int) else bool(_PORT_NAME.fullmatch(text))
    if key == "name" and above in {"ports", "volumes", "containers", "env"}:
        pattern = {"ports": _PORT_NAME, "env": _VARIABLE}.get(above, _DNS_LABEL)
        return bool(pattern.fullmatch(text))
    known = _ENUMERATIONS.get(key) or _ENUMERATIONS.get(f"{above}.{key}")
    return known is None or value in known


def _repeated(items: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Name the items of a list that share what has to be unique."""
    key = _UNIQUE.get(path[-1]) if path else None
    values = [item[key] for item in items if isinstance(item, dict) and key in item] if key else []
    yield from ((".".join(path), value) for value in values if values.count(value) > 1)
