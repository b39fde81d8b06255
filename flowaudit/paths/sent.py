"""Bytes that workloads sent, by path: sums over judged records, taken before they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

NO_SERVICE = "none"
"""The service of an address that is of no known AWS service: an empty label would be no label."""
_BY = ("object_key", "path", "remote_service")


class Sent:
    """Bytes of accepted egress recorded at workloads' own interfaces: by log object, path and AWS service.

    A record counts as it was judged when it was collected, and once for each flow log that has it.
    """

    def __init__(self) -> None:
        self._by_object: dict[str, Counter[tuple[str, str]]] = {}

    def add(self, records: pa.Table) -> None:
        """Add records with their verdict and their `object_key`; other columns may be missing."""
        if not {"action", "bytes"} <= set(records.column_names):
            return
        counted = pc.and_(pc.equal(records.column("direction"), "egress"), pc.equal(records.column("action"), "ACCEPT"))
        counted = pc.and_(counted, records.column("vantage").is_null())
        kept = records.select([*_BY, "bytes"]).filter(counted)  # null, like false, is left out
        sums = kept.group_by(_BY, use_threads=False).aggregate([("bytes", "sum")])
        for row in sums.to_pylist():
            sizes = self._by_object.setdefault(row["object_key"], Counter())
            sizes[row["path"], row["remote_service"] or NO_SERVICE] += row["bytes_sum"] or 0

    def merge(self, other: Sent) -> None:
        """Add what another one has counted."""
        for key, sizes in other._by_object.items():
            self._by_object.setdefault(key, Counter()).update(sizes)

    def of(self, object_key: str) -> Mapping[tuple[str, str], int]:
        """Return the bytes in one object by path and service."""
        return dict(self._by_object.get(object_key, ()))
