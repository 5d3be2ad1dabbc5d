"""The app of a result: the credential's app, else the app named in the request, else `other`."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from exporter.configuration.fields import OTHER_APP
from exporter.gateways.gateway import Credential

AppRule = Literal["credential", "request", "undeclared", "none"]


class AppOf(NamedTuple):
    """The app of a result, and the rule that determined it."""

    app: str
    rule: AppRule
    """`undeclared` if the request names an app that is not declared, `none` if it names none."""


def app_of(named: str | None, credential: Credential | None, apps: Collection[str]) -> AppOf:
    """Determine the app of a result; `named` is the app named in the request.

    The credential's app takes precedence: its sender cannot count for another app.
    """
    if credential is not None and credential.app is not None:
        return AppOf(credential.app, "credential")
    if named is None:
        return AppOf(OTHER_APP, "none")
    name = named.strip()
    return AppOf(name, "request") if name in apps else AppOf(OTHER_APP, "undeclared")
