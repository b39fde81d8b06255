"""What the key of a flow log object says about it (VPC User Guide, "Flow log files").

Folders, in any of the four layouts, and the name of the file:

    [prefix/]AWSLogs/[o-…/]{account}/vpcflowlogs/{region}/{yyyy}/{mm}/{dd}/[{hh}/]
    [prefix/]AWSLogs/[o-…/]aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year=…/month=…/day=…/[hour=…/]
    {account}_vpcflowlogs_{region}_{flow log}_{yyyymmddThhmmZ}_{hash}.log.gz
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flowaudit.model import Window

SUFFIXES = (".log", ".gz", ".txt", ".parquet")
"""How the names of log objects end where a whole folder is taken."""

SLACK = timedelta(minutes=10)
"""How much later than its name's time a file's records may lie: AWS says 5 minutes, real files have shown more."""

_REGION = r"[a-z]{2,}(?:-[a-z0-9]+)+"
_ROOT = r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?"
# Transit Gateway flow logs leave out the `aws-` before `service` (Transit Gateway guide, "Flow log files").
_HIVE_ACCOUNT, _HIVE_SERVICE, _HIVE_REGION = "(?:aws-)?account-id=", "(?:aws-)?service=vpcflowlogs/", "(?:aws-)?region="

_NAME = re.compile(
    rf"(?:.*/)?(?P<account_id>\d{{12}})_vpcflowlogs_(?P<region>{_REGION})"
    r"_(?P<flow_log_id>fl-[0-9a-f]+)_(?P<time>\d{8}T\d{4}Z)_[^/]*"
)
_PLAIN = re.compile(
    rf"(?P<folder>(?:.*/)?(?P<account_id>\d{{12}})/vpcflowlogs/(?P<region>{_REGION})/)(?P<day>\d{{4}}/\d\d/\d\d/)?"
)
_HIVE = re.compile(
    rf"(?P<folder>(?:.*/)?{_HIVE_ACCOUNT}(?P<account_id>\d{{12}})/{_HIVE_SERVICE}{_HIVE_REGION}(?P<region>{_REGION})/)"
    r"(?P<day>year=\d{4}/month=\d\d/day=\d\d/)?"
)
_LAYOUTS = ((_PLAIN, "%Y/%m/%d/"), (_HIVE, "year=%Y/month=%m/day=%d/"))
_ROAD = re.compile(
    rf"{_ROOT}(?:\d{{12}}/(?:vpcflowlogs/(?:{_REGION}/)?)?"
    rf"|{_HIVE_ACCOUNT}\d{{12}}/(?:{_HIVE_SERVICE}(?:{_HIVE_REGION}{_REGION}/)?)?)?"
)
_OTHER_SERVICE = re.compile(
    rf"{_ROOT}(?:\d{{12}}/(?!vpcflowlogs/)|{_HIVE_ACCOUNT}\d{{12}}/(?!{_HIVE_SERVICE}))[^/]+/.*"
)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key says: the time in its file's name, its day (UTC), flow log, account, region; None where it is mute."""

    time: datetime | None = None
    day: date | None = None
    flow_log_id: str | None = None
    account_id: str | None = None
    region: str | None = None

    def may_lie_in(self, window: Window | None) -> bool:
        """Whether records of `window` may be in the object; true where the key tells no time."""
        if window is None:
            return True
        first, last = _ends(window)
        if self.time is not None:
            return first <= self.time <= last
        return self.day is None or first.date() <= self.day <= last.date()


@dataclass(frozen=True, slots=True)
class RegionFolder:
    """The folder of one account's flow logs in one region: below it, keys sort by day."""

    prefix: str
    days: str
    """The folders of a day, as a strftime format."""

    def before(self, window: Window) -> str:
        """A key that sorts before every object of `window`, and after those of all earlier days."""
        return self.prefix + _ends(window)[0].strftime(self.days)

    def is_past(self, key: str, window: Window) -> bool:
        """Whether `key`, and every key that sorts after it, lies on a day after `window`."""
        last = self.prefix + _ends(window)[1].strftime(self.days)
        return key[: len(last)] > last


def parse(key: str) -> KeyFacts:
    """Read a key or path; the file's name has the last word over its folders."""
    name, folders = _NAME.fullmatch(key), _in_region(key)
    says: dict[str, str] = {**(folders[0].groupdict() if folders else {}), **(name.groupdict() if name else {})}
    time = _time(says.get("time"), "%Y%m%dT%H%MZ")
    midnight = time or (_time(says["day"], folders[1]) if folders else None)
    return KeyFacts(
        time=time,
        day=midnight.date() if midnight else None,
        flow_log_id=says.get("flow_log_id"),
        account_id=says.get("account_id"),
        region=says.get("region"),
    )


def region_folder(prefix: str) -> RegionFolder | None:
    """Find the region's folder that `prefix` is, or lies in."""
    found = _in_region(prefix)
    return RegionFolder(found[0]["folder"], found[1]) if found else None


def leads_to_flow_logs(folder: str) -> bool:
    """Whether a folder (ending in a slash) is AWSLogs or lies between it and a region's flow logs."""
    return _ROAD.fullmatch(folder) is not None


def is_log(key: str) -> bool:
    """Whether a key met in a listing may be a flow log: by its suffix, and not in another AWS service's folder."""
    return key.endswith(SUFFIXES) and not _OTHER_SERVICE.fullmatch(key)


def _ends(window: Window) -> tuple[datetime, datetime]:
    """The first and the last time in their names that files of `window` may have."""
    return window.since - SLACK, window.until - timedelta.resolution


def _in_region(key: str) -> tuple[re.Match[str], str] | None:
    return next(((match, days) for layout, days in _LAYOUTS if (match := layout.match(key))), None)


def _time(text: str | None, form: str) -> datetime | None:
    try:
        return datetime.strptime(text or "", form).replace(tzinfo=UTC)
    except ValueError:
        return None
