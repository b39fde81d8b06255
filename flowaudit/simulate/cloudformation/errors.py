"""Refusals of CloudFormation, with the codes and words of AWS."""

from __future__ import annotations


class Refused(Exception):
    """A request that CloudFormation refuses: `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Failed(Exception):
    """A resource that cannot be made, changed or deleted; the reason is the event's."""


def invalid(message: str) -> Refused:
    """Return the refusal of a request that is not valid."""
    return Refused("ValidationError", message)
