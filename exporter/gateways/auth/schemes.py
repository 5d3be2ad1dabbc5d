"""All authentication schemes, by the key `scheme` in the table [auth] of a description."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from exporter.errors import did_you_mean
from exporter.gateways.auth.scheme import Scheme
from exporter.gateways.auth.signatures import Digest, Hmac, Rsa
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Basic, Bearer, Header, NoAuth, Query

SCHEMES: dict[str, type[Scheme]] = {
    "bearer": Bearer,
    "basic": Basic,
    "header": Header,
    "query": Query,
    "hmac": Hmac,
    "digest": Digest,
    "rsa": Rsa,
    "standard-webhooks": StandardWebhooks,
    "none": NoAuth,
}


def _check_name(given: object) -> object:
    """List the known schemes for a missing or unknown scheme; pydantic's message is less clear."""
    if isinstance(given, dict) and given.get("scheme") not in SCHEMES:
        if "scheme" not in given:
            raise ValueError(f"the key 'scheme' is missing: one of {', '.join(SCHEMES)}")
        name = str(given["scheme"])
        raise ValueError(
            f"unknown scheme {name!r}; known are {', '.join(SCHEMES)}{did_you_mean(name, SCHEMES)}"
        )
    return given


AnyScheme = Annotated[
    Annotated[
        Bearer | Basic | Header | Query | Hmac | Digest | Rsa | StandardWebhooks | NoAuth,
        Field(discriminator="scheme"),
    ],
    BeforeValidator(_check_name),
]
