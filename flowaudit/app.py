"""The only wiring: Config → AWS clients, sources, lake, catalogue. The only room that imports boto3."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flowaudit import catalogue
from flowaudit.config import Config, LocalSource, S3Source, shipped, source
from flowaudit.errors import ConfigError
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.sources import Source, local, s3

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowaudit.catalogue import Catalogue

CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 5, 30, 5
"""Seconds, seconds and tries of each call to AWS; botocore backs off between tries."""
_OWN_CHAIN = frozenset(("iam-role", "container-role", "assume-role-with-web-identity"))
"""Where credentials may come from that object_store finds, and renews, by itself."""


@dataclass(frozen=True)
class App:
    """What a configuration amounts to; nothing is opened before it is asked for."""

    config: Config

    @cached_property
    def lake(self) -> Lake:
        """The lake that the configuration names."""
        uri = self.config.lake.uri
        return Lake(uri, storage_options() if uri.startswith("s3://") else {})

    @cached_property
    def catalogue(self) -> Catalogue:
        """Every query, shipped and the user's own; raises CatalogueError and ConfigError naming all mistakes."""
        return self._catalogue(strict=True)

    @cached_property
    def sound_catalogue(self) -> Catalogue:
        """As `catalogue`, but files with mistakes are left out and told of in its `problems`; raises ConfigError."""
        return self._catalogue(strict=False)

    def _catalogue(self, *, strict: bool) -> Catalogue:
        return catalogue.load(
            [shipped("queries"), *self.config.queries.paths],
            policy=self.config.policy.model_dump(),
            overrides=self.config.detectors,
            strict=strict,
        )

    def sources(self, named: Sequence[str], span: Window | None, now: datetime) -> list[tuple[Source, Window | None]]:
        """Return each source with the window to list: those `named` (paths, `s3://` addresses), else the configured.

        Without a `span`, S3 is listed from its look-back to `now`, and files are all listed.
        """
        settings: Iterable[LocalSource | S3Source] = [source(uri) for uri in named] or self.config.sources
        return [(self._source(each), span or _lookback(each, now)) for each in settings]

    def _source(self, settings: LocalSource | S3Source) -> Source:
        declared = settings.format
        if isinstance(settings, S3Source):
            return s3.S3Source(settings.uri, self._s3, declared)
        return local.LocalSource(settings.uri, declared)

    @cached_property
    def _s3(self) -> Any:  # noqa: ANN401  boto3's clients are made at run time
        return client("s3")


def client(service: str) -> Any:  # noqa: ANN401
    """Return a boto3 client with time limits and retries; raises ConfigError where AWS's own chain is incomplete."""
    import boto3  # noqa: PLC0415  half a second that verbs without AWS do not pay
    from botocore.config import Config as ClientConfig  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    settings = ClientConfig(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=32,
        user_agent_extra="flowaudit",
    )
    try:
        return boto3.Session().client(service, config=settings)
    except (BotoCoreError, ValueError) as error:
        hint = "set AWS_REGION, AWS_PROFILE or what else AWS's own chain reads"
        raise ConfigError(f"AWS cannot be asked: {error}; {hint}") from error


def home_region() -> str | None:
    """Return the region of AWS's own chain, None where it has none; raises ConfigError where the chain is broken.

    AWS_REGION comes first, as for the AWS CLI; boto3 by itself knows AWS_DEFAULT_REGION and profiles only.
    """
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        region: str | None = os.environ.get("AWS_REGION") or boto3.Session().region_name
    except BotoCoreError as error:
        raise ConfigError(f"AWS's own chain is broken: {error}; set AWS_PROFILE to a profile that exists") from error
    return region


def storage_options() -> Mapping[str, str]:
    """Return how the lake's own S3 access is to authenticate: as boto3 would, on object_store's terms."""
    import boto3  # noqa: PLC0415

    session = boto3.Session()
    credentials = session.get_credentials()
    options = {"AWS_REGION": session.region_name or "us-east-1"}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    if credentials is not None and credentials.method not in _OWN_CHAIN:
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


def _lookback(settings: LocalSource | S3Source, now: datetime) -> Window | None:
    return Window(now - settings.lookback, now + timedelta(minutes=10)) if isinstance(settings, S3Source) else None
