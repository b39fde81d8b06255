"""The only wiring: Config → AWS clients, sources, lake, catalogue, atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowaudit.app.aws import Region, client, home_region, regions, storage_options
from flowaudit.config import Config, LocalSource, Mute, S3Source, SinkSettings, shipped, source
from flowaudit.errors import ConfigError
from flowaudit.lake import Lake
from flowaudit.model import Window

__all__ = ["App", "Region", "client", "home_region", "storage_options"]

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowaudit.catalogue import Catalogue
    from flowaudit.coverage import Witness
    from flowaudit.deliver import Log
    from flowaudit.inventory.attribution import Rules
    from flowaudit.lake import Lease
    from flowaudit.paths import Atlas
    from flowaudit.sinks import Sink
    from flowaudit.sources import Source


@dataclass(frozen=True)
class App:
    """What a configuration amounts to; nothing is opened before it is asked for."""

    config: Config

    @cached_property
    def lake(self) -> Lake:
        """The lake that the configuration names."""
        uri = self.config.lake.uri
        return Lake(uri, storage_options() if uri.startswith("s3://") else {})

    def lease(self) -> Lease:
        """Return the lease of the lake, which is not held yet; raises ConfigError where AWS's chain is broken."""
        from flowaudit.lake import FolderStore, Lease

        if self.lake.is_local:
            return Lease(FolderStore(Path(self.lake.uri)))
        from flowaudit.lake.s3_lease import S3Store

        bucket, _, prefix = self.lake.uri.removeprefix("s3://").partition("/")
        return Lease(S3Store(self._s3, bucket, prefix))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Every sound query, shipped and the user's own, with the problems of the others; raises ConfigError."""
        from flowaudit import catalogue

        return catalogue.load(
            [shipped("queries"), *self.config.queries.paths],
            policy=self.config.policy.model_dump(),
            overrides=self.config.detectors,
        )

    @cached_property
    def mutes(self) -> tuple[Mute, ...]:
        """The mutes of the configuration; raises ConfigError where one is for nothing that a detector could find."""
        detectors = self.catalogue.detectors
        left_out = {*self.config.detectors, *(problem.file.stem for problem in self.catalogue.problems)}
        for number, mute in enumerate(self.config.mutes):
            known = detectors.get(mute.detector)
            if known is None and mute.detector not in left_out:
                raise ConfigError(f"mutes[{number}].detector: there is no detector {mute.detector!r}")
            for name in set(mute.key) - set(known.key if known else mute.key):
                key = ", ".join(known.key if known else ())
                raise ConfigError(f"mutes[{number}].key: {mute.detector} has no {name!r} in its key, which is {key}")
        return self.config.mutes

    def sources(self, named: Sequence[str], span: Window | None, now: datetime) -> list[tuple[Source, Window | None]]:
        """Return each source with the window to list: those `named` (paths, `s3://` addresses), else the configured.

        Without a `span`, S3 is listed from its look-back to `now`, and files are all listed.
        """
        settings: Iterable[LocalSource | S3Source] = [source(uri) for uri in named] or self.config.sources
        return [(self._source(each), span or _lookback(each, now)) for each in settings]

    def _source(self, settings: LocalSource | S3Source) -> Source:
        from flowaudit.sources import local, s3

        declared = settings.format
        if isinstance(settings, S3Source):
            return s3.S3Source(settings.uri, self._s3, declared)
        return local.LocalSource(settings.uri, declared)

    @cached_property
    def sinks(self) -> list[tuple[Sink, SinkSettings]]:
        """The sinks of the configuration, connected to nothing yet; raises ConfigError where AWS's chain is broken."""
        from flowaudit.app.sinks import sinks

        return sinks(self.config.sinks)

    @cached_property
    def events(self) -> Log:
        """The log of events as sinks read it."""
        from flowaudit.deliver import Log

        home = home_region() if self.config.sinks else None  # half a second, for those who have sinks only
        return Log(self.lake, self.catalogue, home)

    def atlas(self) -> Atlas:
        """Return what the lake knows of the network, as new as the lake; raises LakeError."""
        from flowaudit import ipranges
        from flowaudit.inventory import history
        from flowaudit.paths import Atlas
        from flowaudit.topology import IpRange, Topology

        versions = self.lake.versions("topology", "interfaces", "ip_ranges")
        if self._atlas.get("versions") != versions:
            known = history.topology(self.lake) if self.lake.exists() else Topology()
            ranges = tuple(IpRange(**row) for row in ipranges.known(self.lake).drop_columns("created_at").to_pylist())
            everything = self.config.scope.keep == "all"
            self._atlas.update(versions=versions, atlas=Atlas(replace(known, ip_ranges=ranges), everything=everything))
        return self._atlas["atlas"]

    def regions(self) -> tuple[list[Region], list[str]]:
        """Return every account's region that is to be asked, and a line for each that cannot be."""
        return regions(self.config.aws)

    @cached_property
    def covered(self) -> Witness:
        """What tells whether a finding's silence proves anything."""
        from flowaudit.coverage import Witness

        return Witness(self.lake, self.catalogue.views)

    @cached_property
    def rules(self) -> Rules:
        """What interfaces are known to be SageMaker's by."""
        from flowaudit.inventory.attribution import rules

        return rules(self.config.scope, self.config.attribution)

    @cached_property
    def _atlas(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _s3(self) -> Any:  # noqa: ANN401  boto3's clients are made at run time
        return client("s3")


def _lookback(settings: LocalSource | S3Source, now: datetime) -> Window | None:
    return Window(now - settings.lookback, now + timedelta(minutes=10)) if isinstance(settings, S3Source) else None
