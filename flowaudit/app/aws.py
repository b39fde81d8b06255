"""AWS's clients, by its own credential chain or by a role assumed with it. The only place that imports boto3."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from flowaudit.config import Aws
from flowaudit.errors import ConfigError

CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 5, 30, 5
"""Seconds, seconds and tries of each call to AWS; botocore backs off between tries."""
ASKING_ATTEMPTS = 8
"""Tries of each call of a discovery, which can wait: in adaptive mode botocore slows down as AWS throttles."""
_OWN_CHAIN = frozenset(("iam-role", "container-role", "assume-role-with-web-identity"))
"""Where credentials may come from that object_store finds, and renews, by itself."""
_HINT = "set AWS_REGION, AWS_PROFILE, or other variables or files of AWS's credential chain"


def client(service: str, region: str | None = None, role: str | None = None) -> Any:  # noqa: ANN401  boto3's clients are made at run time
    """Return a boto3 client with time limits and retries; raises ConfigError where AWS's own chain is incomplete.

    Without a `region` it is the chain's own; with a `role`, that is assumed.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        place = region or home_region()
        session = _session(role, place or "") if role else boto3.Session(region_name=place)
        return session.client(service, region_name=place, config=_settings("standard", ATTEMPTS))
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"AWS cannot be called: {str(error).rstrip('.')}; {_HINT}") from error


def home_region() -> str | None:
    """Return the region of AWS's own chain, None where it has none; raises ConfigError where the chain is broken.

    AWS_REGION comes first, as for the AWS CLI; boto3 by itself knows AWS_DEFAULT_REGION and profiles only.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        region: str | None = os.environ.get("AWS_REGION") or boto3.Session().region_name
    except BotoCoreError as error:
        raise ConfigError(f"AWS's own chain is broken: {error}; set AWS_PROFILE to a profile that exists") from error
    return region


def account(region: str | None = None) -> str:
    """Return the account of AWS's own chain, by STS; raises ConfigError where it does not answer."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(client("sts", region).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"the account of the AWS credentials is unknown: {_one_line(error)}; {_HINT}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def storage_options() -> Mapping[str, str]:
    """Return how the lake's own S3 access is to authenticate: as boto3 would, on object_store's terms."""
    import boto3

    session = boto3.Session()
    credentials = session.get_credentials()
    options = {"AWS_REGION": home_region() or "us-east-1"}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    if credentials is not None and credentials.method not in _OWN_CHAIN:
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


@dataclass(frozen=True)
class Region:
    """One account's region, and the clients that ask it: one a service, made when it is first wanted."""

    account_id: str
    region: str
    make: Callable[[str], Any]
    _made: dict[str, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def client(self, service: str) -> Any:  # noqa: ANN401
        """Return the client of a service; safe to call from several threads."""
        with self._lock:
            if service not in self._made:
                self._made[service] = self.make(service)
            return self._made[service]


def regions(settings: Aws) -> tuple[list[Region], list[str]]:
    """Return every account's region that the settings name, and a line for each that cannot be asked.

    Without roles that is the account of the credential chain, without regions its own region.
    """
    found: list[Region] = []
    failures: list[str] = []
    for role in settings.assume_roles or (None,):
        try:
            found += _of_one_account(role, settings.regions)
        except ConfigError as error:
            failures.append(str(error))
    return found, failures


def _of_one_account(role: str | None, names: tuple[str, ...]) -> list[Region]:
    """Return the regions to ask as one role, None for the chain's own; raises ConfigError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        home = home_region()
        wanted = names or ((home,) if home else ())
        if not wanted:
            raise ConfigError("AWS cannot be asked: there is no region; set AWS_REGION or [aws] regions")
        session = _session(role, wanted[0])
        asker = session.client("sts", region_name=wanted[0], config=_settings("standard", ATTEMPTS))
        account = asker.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError, ValueError) as error:
        whom = f"as {role}" if role else "with the credentials of AWS's own chain"
        raise ConfigError(f"AWS cannot be asked {whom}: {_one_line(error)}; {_HINT}") from error
    return [Region(account, name, _maker(session, name)) for name in wanted]


def _maker(session: Any, region: str) -> Callable[[str], Any]:  # noqa: ANN401
    settings = _settings("adaptive", ASKING_ATTEMPTS)
    return lambda service: session.client(service, region_name=region, config=settings)


def _session(role: str | None, region: str) -> Any:  # noqa: ANN401
    """Return a session, with credentials that renew themselves where a role is assumed, by STS of that region."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError
    from botocore.session import get_session

    if role is None:
        return boto3.Session(region_name=region)
    own, assumed = get_session(), get_session()
    credentials = own.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    asker = partial(own.create_client, region_name=region, config=_settings("standard", ATTEMPTS))
    fetcher = AssumeRoleCredentialFetcher(asker, credentials, role, extra_args={"RoleSessionName": "flowaudit"})
    assumed._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001
    return boto3.Session(region_name=region, botocore_session=assumed)


def _settings(mode: str, attempts: int) -> Any:  # noqa: ANN401
    """Return a client's limits; how often to try again may be said in AWS's own variables instead."""
    from botocore.config import Config as ClientConfig

    is_said = {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ)
    return ClientConfig(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries=None if is_said else {"mode": mode, "total_max_attempts": attempts},
        max_pool_connections=32,
        user_agent_extra="flowaudit",
    )
