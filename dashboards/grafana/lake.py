"""The row Lake of the dashboard Health: its size, and what maintenance does."""

from dashboards.grafana.panels import Face, Panel, Query, lines

TABLES = "max by (table) (flowaudit_lake_{what}{{$selector}})"


def lake() -> list[Panel]:
    """Return the size of the lake by table, and the work of maintenance."""
    return [
        *(
            lines(
                Face(id, title, f"{text} As of the last maintenance run.", unit, 8, bounds=(0, None)),
                Query(TABLES.format(what=what), "{{table}}"),
            )
            for id, title, what, unit, text in (
                (801, "Files", "files", "short", "Rising without an end: see whether the stage maintain fails."),
                (802, "Size", "bytes", "bytes", "Too large: shorten lake.retention."),
                (803, "Rows", "rows", "short", "Rows of each table."),
            )
        ),
        *(
            lines(
                Face(id, title, text, unit, 6, bounds=(0, None), empty="none"),
                Query(
                    f"sum by (table) (increase(flowaudit_maintain_{what}_total{{$selector}}[$__rate_interval])) > 0",
                    "{{table}}",
                ),
                events=True,
                interval="1h",
            )
            for id, title, what, unit, text in (
                (804, "Files compacted", "compacted_files", "short", "Small files merged into others."),
                (805, "Rows expired", "expired_rows", "short", "Rows removed by lake.retention."),
                (806, "Files deleted", "deleted_files", "short", "Files that no snapshot of the last 24 hours names."),
                (807, "Bytes deleted", "deleted_bytes", "bytes", "Size of the deleted files."),
            )
        ),
    ]
