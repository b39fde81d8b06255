"""CloudFormation over HTTP: the query protocol, parsed and written by botocore's own model of the service."""

from __future__ import annotations

import re
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.parse import QueryParser
from moto.core.serialize import QuerySerializer
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from flowaudit.simulate.cloudformation.engine import Engine
from flowaudit.simulate.cloudformation.errors import Refused

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_MODEL = get_service_model("cloudformation")


class _Refusal(ServiceException):
    """A refusal as moto's serializer takes it: from moto's own package it would look for the service `core`."""


class Api:
    """The WSGI application in front of an engine."""

    def __init__(self, engine: Engine, region: str) -> None:
        self.engine = engine
        self.region = region

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401  WSGI's own types
        """Answer one request."""
        request = Request(environ)
        return self.answer(request)(environ, start_response)

    def answer(self, request: Request) -> Response:
        """Return the response: the answer of the engine, or its refusal, as XML."""
        action = request.form.get("Action", "")
        known = action in _MODEL.operation_names
        operation = _MODEL.operation_model(action if known else "DescribeStacks")
        result: object
        try:
            asked = QueryParser(operation).parse({"values": request.form})  # type: ignore[typeddict-item]
            result = self.engine.ask(action, asked, self._region(request))
        except Refused as refused:
            result = _Refusal(refused.code, refused.message)
        told = QuerySerializer(operation).serialize(result)
        return Response(told["body"], told["status_code"], told["headers"])

    def _region(self, request: Request) -> str:
        """Return the Region that the request is signed for."""
        found = _SCOPE.search(request.headers.get("Authorization", ""))
        return found[1] if found else self.region
