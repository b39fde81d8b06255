"""Everything that can go wrong on purpose: one subclass a room, each with the exit code it ends in."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")


def without_password(text: str) -> str:
    """Return a text whose URLs have no user and password: SDKs name the endpoint that they could not reach."""
    return _PASSWORD.sub("", text)


class FlowauditError(Exception):
    """A failure whose message says what, where and what to do, and never a password of an endpoint."""

    exit_code = 3

    def __str__(self) -> str:
        """Return the message."""
        return without_password(super().__str__())


class ConfigError(FlowauditError):
    """The configuration, or a value given on the command line, is wrong."""

    exit_code = 2


class CatalogueError(FlowauditError):
    """A query file is not what its room asks for."""

    exit_code = 2


class QueryError(FlowauditError):
    """Ad-hoc SQL was refused, failed, or went over its limits."""

    exit_code = 2


class SourceError(FlowauditError):
    """A place where flow logs lie cannot be listed or read."""


class TransientSourceError(SourceError):
    """As SourceError, but the same call may well succeed later (throttling, a broken connection)."""


class ReadError(FlowauditError):
    """A log object is broken as a whole: nothing of it is kept."""


class SkipObject(FlowauditError):
    """A log object is left alone for a reason the operator can remove (no header, not a flow log)."""


class LakeError(FlowauditError):
    """The lake cannot be read or written."""


class LakeConflict(LakeError):
    """Somebody else committed first: what was prepared is stale and must be prepared again."""


class LeaseLost(LakeError):
    """This daemon does not lead any more, or cannot know: it writes nothing."""


class LeaseTaken(LakeError):
    """Another daemon leads: `owner`, for another `seconds` at least; `version` is that of its lease."""

    def __init__(self, owner: str, seconds: float, version: str) -> None:
        super().__init__(
            f"another daemon, {owner}, runs on this lake (its lease ends in {seconds:.0f} s unless it is renewed): "
            "stop it, or start this one with --standby to take over when it ends"
        )
        self.owner, self.seconds, self.version = owner, seconds, version


class IpRangesError(FlowauditError):
    """AWS's address ranges cannot be fetched, or what was fetched is not, or hardly can be, AWS's file."""


class SinkError(FlowauditError):
    """A sink takes no events at present; they are sent again, after `retry_after` seconds where it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SinkDisabled(SinkError):
    """A sink wants no more events, ever: nothing is sent to it until flowaudit is restarted."""


class PolicyError(FlowauditError):
    """A policy document is not JSON, or not in the grammar of IAM policies."""


class SetupError(FlowauditError):
    """The VPC of `[setup]` cannot be planned, applied, read or destroyed."""


class DaemonError(FlowauditError):
    """The daemon cannot have the address that it is to serve on."""


class Stopped(Exception):
    """Somebody asked for an end: what is not committed is given up."""
