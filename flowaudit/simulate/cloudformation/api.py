"""CloudFormation over HTTP: the query protocol, parsed and written by botocore's own model of the service."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from moto.core.parse import QueryParser
from moto.core.serialize import QuerySerializer
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from flowaudit.simulate.cloudformation.engine import Engine
from flowaudit.simulate.cloudformation.errors import Refused

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_STATUS = {"AccessDenied": 403, "ChangeSetNotFound": 404}
_MODEL = get_service_model("cloudformation")


class Api:
    """The WSGI application in front of an engine."""

    def __init__(self, engine: Engine, region: str) -> None:
        self.engine = engine
        self.region = region

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401  WSGI's own types
        """Answer one request; those of CloudWatch's `observabilityadmin` have a path: it has no telemetry rules."""
        request = Request(environ)
        if request.path != "/":
            return Response("{}", mimetype="application/json")(environ, start_response)
        return self.answer(request)(environ, start_response)

    def answer(self, request: Request) -> Response:
        """Return the response: the answer of the engine, or its refusal, as XML."""
        action = request.form.get("Action", "")
        if action not in _MODEL.operation_names:
            return _refusal(Refused("InvalidAction", f"Could not find operation {action}"))
        operation = _MODEL.operation_model(action)
        asked = QueryParser(operation).parse({"values": request.form})  # type: ignore[typeddict-item]
        try:
            result = self.engine.ask(action, asked, self._region(request))
        except Refused as refused:
            return _refusal(refused)
        told = QuerySerializer(operation).serialize(result)
        return Response(told["body"], told["status_code"], told["headers"])

    def _region(self, request: Request) -> str:
        """Return the Region that the request is signed for."""
        found = _SCOPE.search(request.headers.get("Authorization", ""))
        return found[1] if found else self.region


def _refusal(refused: Refused) -> Response:
    """Return the response of an error; not all codes of CloudFormation are in botocore's model."""
    error = f"<Type>Sender</Type><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>"
    body = f"<ErrorResponse><Error>{error}</Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
    return Response(body, _STATUS.get(refused.code, 400), content_type="text/xml")
