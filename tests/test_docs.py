"""README.md and docs/ are in step with the code, with the queries, and with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from flowaudit import catalogue, paths
from flowaudit.catalogue import KINDS, Detector, Report
from flowaudit.cli.query import section
from flowaudit.config import INTERNET_PATHS, load, shipped
from flowaudit.findings import Finding
from flowaudit.schema import FIELD_BY_NAME, FIELDS, TABLES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("dashboards/**/*.md")])
README = (ROOT / "README.md").read_text("utf-8")
DETECTORS_PAGE = (ROOT / "docs" / "detectors.md").read_text("utf-8")
QUERIES_PAGE = (ROOT / "docs" / "queries.md").read_text("utf-8")
OPERATIONS_PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
HOW_PAGE = (ROOT / "docs" / "how-it-works.md").read_text("utf-8")
CATALOGUE = catalogue.load([shipped("queries")])
DETECTORS = list(CATALOGUE.detectors.values())
REPORTS = list(CATALOGUE.reports.values())
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def sections(text: str, level: int) -> dict[str, str]:
    """Return the text below each heading of a level, by heading."""
    parts = re.split(rf"^{'#' * level} (.*)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in links, as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading in it if it names one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_that_are_named_are_there(page: Path) -> None:
    """A page that is named without a link, as in `cli.md`, lies beside the naming one or at the root."""
    named = set(re.findall(r"(?<![\w/<>-])((?:docs/)?[\w-]+\.md)\b", FENCED.sub("", page.read_text("utf-8"))))
    assert {name for name in named if not ((page.parent / name).exists() or (ROOT / name).exists())} == set()


def test_the_readme_leads_to_every_page() -> None:
    """No page of docs/ is left for the reader to stumble upon."""
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= set(re.findall(r"\]\(([^)]+)\)", README))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_every_detector_has_its_section(detector: Detector) -> None:
    """docs/detectors.md tells each detector's title, severity, key and techniques, and what it cannot see."""
    section = sections(DETECTORS_PAGE, 2)[detector.id]
    key = ", ".join(f"`{name}`" for name in detector.key)
    techniques = ", ".join(detector.attack) or "no technique"
    assert f"\n**{detector.title}** · {detector.severity} · key {key} · {techniques}\n" in section
    assert "Does not see:" in section


def test_no_detector_is_made_up() -> None:
    """Every section that is called like a detector is one's."""
    named = {name for name in sections(DETECTORS_PAGE, 2) if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)}
    assert named == set(CATALOGUE.detectors)


def test_the_documented_detector_is_a_good_one(tmp_path: Path) -> None:
    """The example of a detector of one's own is accepted as it stands, and the example of tuning too."""
    (query,) = blocks(DETECTORS_PAGE, "sql")
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "much-to-one-address.sql").write_text(query, "utf-8")
    tuning, queries = blocks(DETECTORS_PAGE, "toml")
    (tmp_path / "flowaudit.toml").write_text(tuning + queries, "utf-8")
    config = load(tmp_path / "flowaudit.toml", {})
    loaded = catalogue.load(
        [shipped("queries"), tmp_path], policy=config.policy.model_dump(), overrides=config.detectors
    )
    assert "much-to-one-address" in loaded.detectors
    assert "path-undecided" not in loaded.detectors


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.id)
def test_every_report_has_its_section(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/queries.md has what `flowaudit query show NAME --format markdown` says of each report, but for its SQL."""
    section(report)
    printed = capsys.readouterr().out
    assert f"## {report.id}{sections(QUERIES_PAGE, 2)[report.id].rstrip()}\n" == printed


def test_no_report_is_made_up() -> None:
    """Every section that is called like a report is one's, and they stand in alphabetical order."""
    named = [name for name in sections(QUERIES_PAGE, 2) if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]
    assert named == sorted(CATALOGUE.reports)


def test_every_kind_of_parameter_is_documented() -> None:
    """docs/queries.md has a row for each kind, and for no other."""
    rows = re.findall(r"^\| `(\w+)` \|", sections(QUERIES_PAGE, 2)["Kinds of parameters"], re.MULTILINE)
    assert rows == list(KINDS)


def test_the_documented_report_is_a_good_one(tmp_path: Path) -> None:
    """The example of a report of one's own is accepted as it stands, and so is the configuration that names it."""
    (query,) = blocks(QUERIES_PAGE, "sql")
    (queries,) = blocks(QUERIES_PAGE, "toml")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "large-remotes.sql").write_text(query, "utf-8")
    (tmp_path / "flowaudit.toml").write_text(queries, "utf-8")
    assert [path.name for path in load(tmp_path / "flowaudit.toml", {}).queries.paths] == ["audits"]
    report = catalogue.load([shipped("queries"), tmp_path]).reports["large-remotes"]
    assert [param.required for param in report.params.values()] == [False, True, False]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented(table: str) -> None:
    """docs/operations.md has a row for each column of each table, in order, and for no other."""
    section = sections(OPERATIONS_PAGE, 3)[f"`{table}`"]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", section, re.MULTILINE)
    words = {
        "int32": "int",
        "int64": "bigint",
        "string": "text",
        "date32[day]": "date",
        "timestamp[us, tz=UTC]": "time",
        "bool": "flag",
        "double": "number",
        "map<string, string>": "map",
    }
    columns = [(column.name, words.get(str(column.type), "list")) for column in TABLES[table].schema]
    assert [(name, kind) for name, kind, _ in rows] == columns


def test_a_field_means_the_same_everywhere() -> None:
    """What the documentation says of AWS's fields is what the one table of fields says."""
    for field in FIELDS:
        assert f"| v{field.version} {field.name}: {field.meaning} |" in OPERATIONS_PAGE


def test_the_current_findings_are_documented() -> None:
    """The page names the columns of the view `findings_current` that a finding is made of."""
    section = sections(OPERATIONS_PAGE, 3)["`findings`"]
    assert {name for name in Finding.__slots__ if f"`{name}`" not in section} == set()


def test_every_path_is_explained() -> None:
    """docs/how-it-works.md knows each way that a verdict or a policy can name, and each network of a scope."""
    assert set(INTERNET_PATHS) <= set(paths.PATHS)
    decided = re.findall(r"^\|[^|]+\| ([^|]+) \| `[a-z_]+(?:\+routes)?`", HOW_PAGE, re.MULTILINE)
    assert {way for cell in decided for way in re.findall(r"`(\w+)`", cell)} - {"path"} == set(paths.PATHS)
    networks = {network.replace("/128", "") for named in paths.SCOPES.values() for network in named}
    assert {network for network in networks if network not in HOW_PAGE} == set()


def test_the_recommended_format_decides_every_path() -> None:
    """README.md's flow log has only fields that there are, and all that a verdict or a detector looks at."""
    (text,) = re.findall(r"--log-format '([^']*)'", README)
    names = re.findall(r"\$\{([a-z0-9-]+)\}", text)
    assert text == " ".join(f"${{{name}}}" for name in names)
    assert set(names) <= set(FIELD_BY_NAME)
    columns = {FIELD_BY_NAME[name].column for name in names}
    assert set(paths.JUDGED) | {name for detector in DETECTORS for name in detector.needs} <= columns


def test_what_is_to_be_copied_is_well_formed() -> None:
    """Configurations, policies and the unit in README.md and docs/operations.md can be taken as they are."""
    for text in (README, OPERATIONS_PAGE):
        for block in blocks(text, "toml"):
            tomllib.loads(block)
        for block in blocks(text, "json"):
            assert json.loads(block)["Version"] == "2012-10-17"
