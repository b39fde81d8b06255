"""How AWS is asked: pages put together, calls counted, and what does not answer noted as a gap instead of raised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from textwrap import shorten
from threading import Event, Lock
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from flowaudit.errors import Stopped, without_password
from flowaudit.topology import Gap

SIDE_BY_SIDE = 8
"""Calls under way at once; botocore's adaptive mode slows all of them down where AWS throttles."""
SAID = 300
"""How much of what AWS says is kept; some answers are whole pages."""
REASONS = ("denied", "throttled", "unreachable", "unsupported", "failed")
"""Why an API may not answer."""
_DENIED = re.compile(r"(?i)access\W?denied|unauthorized|not\W?authori[sz]ed|forbidden|authfailure|optin")
_THROTTLED = re.compile(r"(?i)throttl|requestlimit|toomanyrequests|slowdown")
_UNKNOWN = re.compile(r"(?i)invalidaction|unknownoperation|unsupportedoperation|notimplemented|not implemented")
_FLEETING = re.compile(r"(?i)<[^>]*>|,?\W?request\W?id\W*[\w-]{8,}\W?|encoded authorization failure message: *\S+")
"""What of a message is markup, or other each time: a gap is the same gap for as long as it is one."""


class Asker:
    """Asks one account's region. Safe to use from several threads."""

    def __init__(self, account_id: str, region: str, client: Callable[[str], Any], stop: Event | None = None) -> None:
        """Ask with what `client` returns for a service: a boto3 client of this account and region."""
        self.account_id, self.region = account_id, region
        self._client, self._stop = client, stop or Event()
        self._calls: Counter[str] = Counter()
        self._gaps: dict[tuple[str, str], Gap] = {}
        self._lock = Lock()

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests made so far, one for each page, by IAM action."""
        return dict(self._calls)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What did not answer so far, each operation once."""
        return tuple(self._gaps[key] for key in sorted(self._gaps))

    def knows(self, service: str, operation: str) -> bool:
        """Tell whether the installed botocore has this operation; so it is taken where there is no client to ask."""
        try:
            return operation in self._client(service).meta.method_to_api_mapping
        except BotoCoreError:
            return True

    def all(self, service: str, operation: str, key: str, **params: Any) -> list[dict[str, Any]] | None:  # noqa: ANN401
        """Return what all pages of an answer hold under `key`, or None, with a gap noted, where there is no answer."""
        pages = self._asked(service, operation, lambda client: list(self._pages(client, service, operation, params)))
        return None if pages is None else [item for page in pages for item in page.get(key) or ()]

    def one(
        self,
        service: str,
        operation: str,
        *,
        gone: Sequence[str] = (),
        **params: Any,  # noqa: ANN401
    ) -> dict[str, Any] | None:
        """Return one answer, or None: a gap is noted, but not where the thing is `gone` (ends of codes, words said)."""
        return self._asked(service, operation, lambda client: self._call(client, service, operation, params), gone)

    def each(
        self, service: str, operation: str, every: Sequence[Mapping[str, Any]], *, gone: Sequence[str] = ()
    ) -> list[dict[str, Any] | None]:
        """Return one answer for each set of parameters, as `one` does, several calls under way at once."""
        if not every:
            return []
        with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(every)), thread_name_prefix="ask") as pool:
            return list(pool.map(lambda params: self.one(service, operation, gone=gone, **params), every))

    def takes(self, service: str, operation: str, parameter: str) -> bool:
        """Tell whether the installed botocore knows a parameter; not, where there is no client."""
        try:
            meta = self._client(service).meta
        except BotoCoreError:
            return False
        operation_model = meta.service_model.operation_model(meta.method_to_api_mapping[operation])
        return parameter in operation_model.input_shape.members

    def _asked(self, service: str, operation: str, ask: Callable[[Any], Any], gone: Sequence[str] = ()) -> Any:  # noqa: ANN401
        if (service, operation) in self._gaps:
            return None  # what was refused once is not asked again in this look
        try:
            return ask(self._client(service))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if not any(code.endswith(sign) or sign in str(error) for sign in gone):
                self._note(service, operation, _reason(code, str(error)), str(error))
        except ParamValidationError as error:  # a question that botocore does not let out: ours to mend
            self._note(service, operation, "failed", str(error))
        except (BotoCoreError, ResponseParserError) as error:  # a proxy may answer in AWS's place
            self._note(service, operation, "unreachable", str(error))
        return None

    def _pages(self, client: Any, service: str, operation: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        if not client.can_paginate(operation):
            yield self._call(client, service, operation, params)
            return
        pages = iter(client.get_paginator(operation).paginate(**params))
        while True:
            self._count(client, service, operation)
            try:
                yield next(pages)
            except StopIteration:
                with self._lock:
                    self._calls[action(client, service, operation)] -= 1
                return

    def _call(self, client: Any, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        self._count(client, service, operation)
        answer: dict[str, Any] = getattr(client, operation)(**params)
        return answer

    def _count(self, client: Any, service: str, operation: str) -> None:  # noqa: ANN401
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            self._calls[action(client, service, operation)] += 1

    def _note(self, service: str, operation: str, reason: str, message: str) -> None:
        with self._lock:
            self._gaps[service, operation] = Gap(
                account_id=self.account_id,
                region=self.region,
                service=service,
                operation=operation,
                reason=reason,
                message=shorten(without_password(_FLEETING.sub(" ", message)), SAID, placeholder=" …"),
                transient=reason in ("throttled", "unreachable", "failed"),
            )


def action(client: Any, service: str, operation: str) -> str:  # noqa: ANN401
    """Return the IAM action of a client's method: `ec2:DescribeSubnets`."""
    prefix = {"efs": "elasticfilesystem"}.get(service, service)
    return f"{prefix}:{client.meta.method_to_api_mapping[operation]}"


def _reason(code: str, message: str) -> str:
    """Return the one word of a bounded set for an error: denied, throttled, unsupported or failed."""
    text = f"{code} {message}"
    for pattern, word in ((_DENIED, "denied"), (_THROTTLED, "throttled"), (_UNKNOWN, "unsupported")):
        if pattern.search(text):
            return word
    return "failed"
