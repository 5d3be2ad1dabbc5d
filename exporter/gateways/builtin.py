"""The two built-in gateways, MPS and the generic format, behind the one interface."""

from exporter.gateways import generic, mps
from exporter.gateways.authentication import Authenticator, unsigned
from exporter.gateways.gateway import Credential, ReceivedRequest, RequestKey
from exporter.ledger.keys import body_key, webhook_key
from exporter.results import Batch

_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}


class _Builtin:
    response = None

    def __init__(self, name: str, authenticator: Authenticator) -> None:
        self.name = self.title = name
        self._authenticator = authenticator

    def handshake(self, request: ReceivedRequest) -> str | None:
        del request
        return None

    def authenticate(self, request: ReceivedRequest) -> Credential:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._authenticator(request.query, headers, request.body)
        return Credential(0, self._authenticator is not unsigned)


class Mps(_Builtin):
    def decode(self, request: ReceivedRequest) -> Batch:
        return mps.decode(request.content, request.query.get("channel"))

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        return RequestKey(body_key(request.body))


class Generic(_Builtin):
    def decode(self, request: ReceivedRequest) -> Batch:
        return generic.decode(request.content, lines=request.content_type in _NDJSON)

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        key = webhook_key(request.headers.get("webhook-id"))
        return None if key is None else RequestKey(key)
