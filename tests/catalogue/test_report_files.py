"""Report files: what a header must say of each parameter, and that every mistake is told with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from flowaudit import catalogue

REPORT = """\
/*---
title = "A title"

[params.since]
kind = "time"
default = "-1d"
help = "From when on."

[params.most]
kind = "integer"
help = "Bytes."
---*/
/* What it answers: something. */
SELECT interface_id, bytes
FROM flows
WHERE start_time >= $since AND bytes > $most
"""

REPORT_MISTAKES: list[tuple[str, Mapping[str, str], str, str]] = [
    ("no header", {REPORT: "SELECT 1"}, ":1: ", "must begin with a header"),
    ("an unknown key", {'title = "A title"': 'title = "A title"\nseverity = "low"'}, ":3: ",
     "severity: no such key in the header"),
    ("a param without kind", {'kind = "integer"\n': ""}, ":9: ", "params.most.kind: is missing from the header"),
    ("a param without meaning", {'help = "Bytes."\n': ""}, ":9: ", "params.most.help: is missing from the header"),
    ("an unknown kind", {'"integer"': '"int"'}, ":9: ",
     "params.most.kind: Input should be 'time', 'duration', 'integer'"),
    ("an unknown key of a param", {'help = "Bytes."': 'help = "Bytes."\ndefalt = 1'}, ":9: ",
     "params.most.defalt: no such key in the header: did you mean default?"),
    ("a plain param", {'[params.most]\nkind = "integer"\nhelp = "Bytes."': "[params]\nmost = 1"}, ":10: ",
     "params.most: must be a table, [params.most], with kind and help and perhaps a default"),
    ("a default of another kind", {'help = "Bytes."': 'help = "Bytes."\ndefault = "10"'}, ":9: ",
     "params.most: Value error, default: '10' is no whole number"),
    ("a default that is true or false", {'help = "Bytes."': 'help = "Bytes."\ndefault = true'}, ":9: ",
     "params.most: Value error, default: True is no whole number"),
    ("a list of numbers", {'kind = "integer"': 'kind = "list"\ndefault = [1]'}, ":9: ",
     "params.most: Value error, default: is no list of text"),
    ("a default that is no time", {'"-1d"': '"yesterday"'}, ":4: ", "params.since.default: 'yesterday' is no time"),
    ("a param that is not used", {"AND bytes > $most": ""}, ":9: ", "params.most: is declared, but $most is not used"),
    ("a param that is not declared", {"$most": "$most + $least"}, ":16: ",
     "$least is used, but not declared under [params]"),
    ("a syntax error", {"FROM flows": "FORM flows"}, ":15: ", "Parser Error: syntax error"),
    ("two statements", {"> $most": "> $most; SELECT 1"}, ":14: ",
     "exactly one SELECT can be run here; this is SELECT,"),
    ("a write", {"SELECT interface_id, bytes\nFROM": "DELETE FROM"}, ":14: ",
     "exactly one SELECT can be run here; this is DELETE"),
    ("a write in a CTE", {"SELECT": "WITH x AS (DELETE FROM flows RETURNING 1) SELECT"}, ":14: ",
     "A CTE needs a SELECT"),
    ("a file", {"FROM flows": "FROM read_csv('x.csv')"}, ":14: ", "read_csv() cannot be selected from"),
    ("an unknown column", {"interface_id": "interface"}, ":14: ", 'Referenced column "interface" not found'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "place", "message"), [m[1:] for m in REPORT_MISTAKES], ids=[m[0] for m in REPORT_MISTAKES]
)
def test_a_reports_mistake_is_told_with_its_line(
    edits: Mapping[str, str], place: str, message: str, tmp_path: Path
) -> None:
    """As a detector's; a sound report beside it stays."""
    text = REPORT
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1)

    (tmp_path / "reports").mkdir()
    for name, content in {"bad": text, "good": REPORT}.items():
        (tmp_path / "reports" / f"{name}.sql").write_text(content, "utf-8")
    found = catalogue.load([tmp_path])

    assert list(found.reports) == ["good"]
    assert [str(problem).replace(f"{tmp_path}/", "")[: len(place) + 15] for problem in found.problems] == [
        f"reports/bad.sql{place}"
    ]
    assert message in found.problems[0].message
