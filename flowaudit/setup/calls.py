"""Calls of one AWS service whose failures end in one message: the missing permission by name, or what AWS says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from flowaudit.errors import SetupError
from flowaudit.setup.permissions import missing_action

Client: TypeAlias = Any
"""A boto3 client: made at run time, so there is no type."""
NO_CREDENTIALS = "set AWS_PROFILE, or other variables or files of AWS's credential chain"


class Calls:
    """Calls of one boto3 client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def one(self, operation: str, *, gone: Callable[[ClientError], bool] | None = None, **params: Any) -> Any:  # noqa: ANN401
        """Return one answer, None where an error means that the thing is `gone`; raises SetupError."""
        try:
            return getattr(self._client, operation)(**params)
        except ClientError as error:
            if gone is not None and gone(error):
                return None
            raise SetupError(self._words(operation, error)) from error
        except (BotoCoreError, ResponseParserError) as error:  # a proxy may answer in AWS's place
            message = " ".join(str(error).split()).rstrip(".")
            hint = f"; {NO_CREDENTIALS}" if isinstance(error, NoCredentialsError) else ""
            raise SetupError(f"{self._named(operation)} failed: {message}{hint}") from error

    def each(
        self,
        operation: str,
        key: str,
        *,
        gone: Callable[[ClientError], bool] | None = None,
        **params: Any,  # noqa: ANN401
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what each page of an answer has under `key`, a page at a time; raises SetupError."""
        answer = self.one(operation, gone=gone, **params)
        while answer is not None:
            yield from answer.get(key) or ()
            token = answer.get("NextToken")
            answer = self.one(operation, gone=gone, **params, NextToken=token) if token else None

    def all(self, operation: str, key: str, **params: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401
        """Return what all pages have under `key`; raises SetupError."""
        return list(self.each(operation, key, **params))

    def _words(self, operation: str, error: ClientError) -> str:
        if action := missing_action(error):
            return f"{self._named(operation)} is denied: the permission {action} is missing: add it to the policy"
        detail = error.response.get("Error", {})
        return f"{self._named(operation)} failed: {detail.get('Code', '')}: {detail.get('Message', error)}"

    def _named(self, operation: str) -> str:
        meta = self._client.meta
        return f"{meta.service_model.service_id} {meta.method_to_api_mapping[operation]} in {meta.region_name}"


def is_missing(error: ClientError) -> bool:
    """Return whether an error means that a stack or a change set does not exist."""
    detail = error.response.get("Error", {})
    return detail.get("Code") in ("ChangeSetNotFound", "ChangeSetNotFoundException") or (
        detail.get("Code") == "ValidationError" and "does not exist" in detail.get("Message", "")
    )
