"""The outputs of a stack → the configuration of flowaudit that watches its VPC."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flowaudit.config import Setup
from flowaudit.errors import SetupError

LAKE = "./lake"
"""Where the lake is, until the user says otherwise."""


def watching(setup: Setup, outputs: Mapping[str, str]) -> str:
    """Return the TOML of a configuration that watches a stack's VPC; raises SetupError where an output is missing."""
    return "\n".join(
        (
            f"# Watches VPC {_output(outputs, 'VpcId')} of stack {setup.name}. Written by flowaudit setup apply.",
            "",
            "[lake]",
            "# Folder, or s3://bucket/prefix/ that the daemon may write to.",
            f"uri = {_text(LAKE)}",
            "",
            "[aws]",
            f"regions = {_list([setup.region])}",
            "",
            *_source(outputs),
            "",
            "[scope]",
            "# Each network interface with this security group counts as SageMaker's. Its subnets are not named here:",
            '# endpoints and file systems are in them too. keep = "all" also keeps records of the rest.',
            f"security_groups = {_list([_output(outputs, 'WorkloadSecurityGroupId')])}",
            "",
            "[policy]",
            *_policy(setup),
            "",
        )
    )


def _source(outputs: Mapping[str, str]) -> Iterator[str]:
    if group := outputs.get("FlowLogGroupName"):
        yield f"# The flow logs are in log group {group} of CloudWatch Logs, which flowaudit does not read:"
        yield '# set setup.flow_logs.destination = "s3", or export them to S3 and name that place in [[sources]].'
        return
    yield "# The flow log bucket. The credentials need s3:ListBucket on it and s3:GetObject on its objects."
    yield "[[sources]]"
    yield 'type = "s3"'
    yield f"uri = {_text(_output(outputs, 'FlowLogSource'))}"


def _policy(setup: Setup) -> Iterator[str]:
    if setup.profile == "isolated":
        yield "# Profile isolated has no path to the internet: each byte over one is a finding."
        yield "internet_paths = []"
        return
    yield "# Profile nat: NAT gateways are the only path to the internet. allowed_destinations narrows it."
    yield 'internet_paths = ["nat_gateway"]'


def _output(outputs: Mapping[str, str], name: str) -> str:
    if not (value := outputs.get(name)):
        raise SetupError(
            f"output {name} of the stack is missing: apply the template of this version of flowaudit first"
        )
    return value


def _text(value: str) -> str:
    return json.dumps(value)


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def check_new(file: Path, text: str) -> None:
    """Raise SetupError where `write_new` would; `text` is empty where it is not known yet."""
    with _refusals(file):
        if not _is(file, text):
            tempfile.TemporaryFile(dir=file.parent).close()


def write_new(file: Path, text: str) -> bool:
    """Write the configuration to a file at once, or not at all; return False where it says so already.

    Raises SetupError, and leaves the file as it is, where it exists with other content or cannot be written.
    """
    with _refusals(file):
        if _is(file, text):
            return False
        _create(file, text)
    return True


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    """Raise SetupError where a file is another one, or cannot be written."""
    try:
        yield
    except FileExistsError:
        raise SetupError(f"{file}: exists, with other content: name another file, or move this one away") from None
    except OSError as error:
        raise SetupError(f"{file}: cannot be written: {error.strerror}") from error


def _is(file: Path, text: str) -> bool:
    """Return whether a file has this text already, False where there is none; raises FileExistsError for another."""
    try:
        present = file.read_bytes()
    except FileNotFoundError:
        if file.is_symlink():
            raise FileExistsError from None
        return False
    if not text or present != text.encode():
        raise FileExistsError
    return True


def _create(file: Path, text: str) -> None:
    """Make a file that appears with all its text; raises FileExistsError where somebody else made it meanwhile."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        os.link(temporary, file)  # as rename, but never over a file
    finally:
        temporary.unlink()
