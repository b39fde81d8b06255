"""Makes panels: each with title, description, unit, thresholds, legend and queries.

In an expression `$selector` is what chooses the daemons: the variables Job and Instance.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, gauge, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as of
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.labels import Labels
from dashboards.prometheus.render import runbook_url
from dashboards.prometheus.settings import load

SETTINGS = load(None)
SELECTOR = 'job=~"$job",instance=~"$instance"'
SOURCE = of.DataSourceRef("prometheus", "${datasource}")
WIDTH = 24
SPACED = {"regex": r"/_(?=[a-z0-9_]*\)?$)/g", "renamePattern": " "}
"""Names that end in a kind, alone or in parentheses, have it in words."""

Steps = tuple[tuple[float | None, str], ...]
NEUTRAL: Steps = ((None, "text"),)
NEUTRAL_COLOR = "blue"
"""Of what is neither good nor bad: colors of the palette would look like those of paths and severities."""
ANY_IS_BAD: Steps = ((None, "green"), (1, "red"))
ANY_IS_ODD: Steps = ((None, "green"), (1, "orange"))
Panel = stat.Panel | gauge.Panel | timeseries.Panel | bargauge.Panel | table.Panel


@dataclass(frozen=True)
class Query:
    """An expression, and the name of its series."""

    expr: str
    legend: str = ""

    def full(self) -> str:
        """Return the expression with the variables that choose the daemons."""
        return self.expr.replace("$selector", SELECTOR)


@dataclass(frozen=True)
class Face:
    """Base of every panel; an `id` is never given to another panel, since links and tests name it.

    `mappings` are values that are shown as words in a color. A `runbook` is the name of its alert.
    """

    id: int
    title: str
    description: str
    unit: str
    width: int
    height: int = 8
    steps: Steps = NEUTRAL
    mappings: tuple[model.ValueMapping, ...] = ()
    decimals: int | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    empty: str = "no data"
    runbook: str = ""


def word(value: int, text: str, color: str | None) -> model.ValueMapping:
    """Return the mapping of one value to a word."""
    return model.ValueMap({str(value): model.ValueMappingResult(text, color)})


def words(least: float, text: str, color: str) -> model.ValueMapping:
    """Return the mapping of all values from `least` on to a word."""
    return model.RangeMap(model.DashboardRangeMapOptions(least, None, model.ValueMappingResult(text, color)))


def undefined(text: str, color: str) -> model.ValueMapping:
    """Return the mapping of 0/0 to a word."""
    result = model.ValueMappingResult(text, color)
    return model.SpecialValueMap(model.DashboardSpecialValueMapOptions(model.SpecialValueMatch.NA_N, result))


def mapping(labels: Labels) -> model.ValueMapping:
    """Return the labels as the value mapping of a column."""
    return model.ValueMap({value: model.ValueMappingResult(label.text, label.color) for value, label in labels.items()})


def overridden(panel: timeseries.Panel, labels: Labels, *, begins: bool) -> None:
    """Show series by the label of their name, or in the color of the value that their name begins with."""
    for value, label in labels.items():
        color = model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": label.color})
        if begins:
            panel.override_by_regexp(f"/^{value}/", [color])
        else:
            panel.override_by_name(value, [model.DynamicConfigValue("displayName", label.text), color])


def link(title: str, url: str) -> build.DashboardLink:
    """Return a link that opens in a tab of its own."""
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).target_blank(True)


def thresholds(steps: Steps) -> build.ThresholdsConfig:
    """Return the colors from given values on."""
    absolute = build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE)
    return absolute.steps([model.Threshold(value, color) for value, color in steps])


def _dressed(panel: Panel, face: Face, source: of.DataSourceRef = SOURCE) -> Panel:
    """Give a panel what every panel has."""
    panel.id(face.id).title(face.title).description(face.description).unit(face.unit).datasource(source)
    panel.span(face.width).height(face.height).thresholds(thresholds(face.steps)).no_value(face.empty)
    if face.mappings:
        panel.mappings(list(face.mappings))
    if face.decimals is not None:
        panel.decimals(face.decimals)
    if face.bounds[0] is not None:
        panel.min(face.bounds[0])
    if face.bounds[1] is not None:
        panel.max(face.bounds[1])
    if face.runbook:
        panel.links([link(f"Runbook {face.runbook}", runbook_url(SETTINGS, face.runbook))])
    return panel


def _asked(panel: Panel, queries: tuple[Query, ...], *, instant: bool, as_table: bool = False) -> None:
    """Add queries to a panel, by the names A, B, C …."""
    for place, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.full()).ref_id(chr(ord("A") + place)).datasource(SOURCE)
        target.legend_format(query.legend)
        if instant:
            target.instant()
        else:
            target.range()
        if as_table:
            target.format(PromQueryFormat.TABLE)
        panel.with_target(target)


def number(face: Face, *queries: Query, background: bool = False, named: bool = False) -> Panel:
    """Return a panel of current values, one for each daemon; `named`: the name of even a single one is shown."""
    panel = stat.Panel().graph_mode(of.BigValueGraphMode.NONE)
    panel.color_mode(of.BigValueColorMode.BACKGROUND if background else of.BigValueColorMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if named:
        panel.text_mode(of.BigValueTextMode.VALUE_AND_NAME)
    if any("{{instance}}" in query.legend for query in queries):
        panel.data_links([link("Status page of ${__field.labels.instance}", "http://${__field.labels.instance}/")])
    _asked(panel, queries, instant=True)
    return _dressed(panel, face)


def dial(face: Face, *queries: Query) -> Panel:
    """Return a panel of current values on a scale, one for each daemon."""
    panel = gauge.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.show_threshold_markers(True)
    _asked(panel, queries, instant=True)
    return _dressed(panel, face)


def bars(face: Face, *queries: Query, leads: build.DashboardLink | None = None, spaced: bool = False) -> Panel:
    """Return a panel of horizontal bars, the longest first; a click on one opens what it leads to."""
    panel = bargauge.Panel().orientation(of.VizOrientation.HORIZONTAL).display_mode(of.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(NEUTRAL_COLOR))
    if leads:
        panel.data_links([leads])
    if spaced:
        panel.with_transformation(model.DataTransformerConfig("renameByRegex", options=SPACED))
    _asked(panel, queries, instant=True)
    return _dressed(panel, face)


def lines(
    face: Face,
    *queries: Query,
    stacked: bool = False,
    events: bool = False,
    labels: Labels | None = None,
    begins: bool = False,
    spaced: bool = False,
    interval: str = "",
) -> Panel:
    """Return a panel of values over time; of events, as columns.

    Series are shown by the label of their name, or have the color of that with which their name `begins`; `spaced`:
    those that end in a kind have it in words.
    """
    panel = timeseries.Panel().line_width(1).show_points(of.VisibilityMode.NEVER)
    panel.draw_style(of.GraphDrawStyle.BARS if events else of.GraphDrawStyle.LINE)
    panel.fill_opacity(60 if stacked or events else 0)
    if stacked or events:
        panel.stacking(common.StackingConfig().mode(of.StackingMode.NORMAL).group("A"))
    legend = common.VizLegendOptions().display_mode(of.LegendDisplayMode.TABLE).placement(of.LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True).calcs(["lastNotNull", "max"]).sort_by("Last *").sort_desc(True))
    panel.tooltip(common.VizTooltipOptions().mode(of.TooltipDisplayMode.MULTI).sort(of.SortOrder.DESCENDING))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    overridden(panel, labels or {}, begins=begins)
    if spaced:
        panel.with_transformation(model.DataTransformerConfig("renameByRegex", options=SPACED))
    if interval:
        panel.interval(interval)
    _asked(panel, queries, instant=False)
    return _dressed(panel, face)


def shaded(panel: Panel) -> Panel:
    """Return a panel whose series, without a color of their own, have shades of one that is neither good nor bad."""
    return panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color(NEUTRAL_COLOR))


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, unit, and values that are shown as words, by `mappings` or `labels`.

    Columns without a `width`, in pixels, share what the others leave; `wraps`: a long text takes several lines;
    `left`: numbers are aligned as words are, since they are shown as words.
    """

    title: str
    unit: str = "string"
    mappings: tuple[model.ValueMapping, ...] = ()
    decimals: int | None = None
    width: int | None = None
    wraps: bool = False
    labels: Labels | None = None
    left: bool = False

    def properties(self) -> list[model.DynamicConfigValue]:
        """Return it as JSON of Grafana."""
        given: dict[str, object] = {"unit": self.unit}
        mappings = [*self.mappings, *([mapping(self.labels)] if self.labels else ())]
        if mappings:
            given["mappings"] = mappings
        if self.mappings or any(label.color for label in (self.labels or {}).values()):
            # Without the type Grafana shows the word, and not its color.
            given["custom.cellOptions"] = {"type": "color-text"}
        if self.wraps:
            given["custom.cellOptions"] = {"type": "auto", "wrapText": True}
        if self.left:
            given["custom.align"] = "left"
        if self.decimals is not None:
            given["decimals"] = self.decimals
        if self.width is not None:
            given["custom.width"] = self.width
        return [model.DynamicConfigValue(name, value) for name, value in given.items()]


def rows(
    face: Face,
    columns: dict[str, Column],
    *queries: Query,
    sort: str,
    least: bool = False,
    apart: tuple[str, ...] = (),
) -> Panel:
    """Return a table: the labels that `columns` names, and the value of each query as `Value #A`, `Value #B` ….

    The largest of the column `sort` is first, or the least. Labels that tell rows `apart` are not shown.
    """
    order = {name: place for place, name in enumerate(columns)}
    kept = {"include": {"names": [*columns, *apart]}}
    named = {
        "excludeByName": dict.fromkeys(apart, True),
        "indexByName": order,
        "renameByName": {name: column.title for name, column in columns.items()},
    }
    panel = _table(columns.values(), sort, least=least)
    # First, as series whose names differ would not be merged.
    panel.with_transformation(model.DataTransformerConfig("filterFieldsByName", options=kept))
    panel.with_transformation(model.DataTransformerConfig("merge", options={}))
    panel.with_transformation(model.DataTransformerConfig("organize", options=named))
    _asked(panel, queries, instant=True, as_table=True)
    return _dressed(panel, face)


def _table(columns: Iterable[Column], sort: str, *, least: bool = False) -> table.Panel:
    """Return a table that is sorted by a column, the largest first or the least; without one, as its query sorts it."""
    panel = table.Panel().filterable(True)
    for column in columns:
        panel.override_by_name(column.title, column.properties())
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(not least)])
    return panel


class _Ready(Builder[Dataquery]):
    """A query that is built already."""

    def __init__(self, query: Dataquery) -> None:
        self.query = query

    def build(self) -> Dataquery:
        """Return the query."""
        return self.query


def answer(face: Face, columns: dict[str, Column], query: Dataquery, source: of.DataSourceRef, *, sort: str) -> Panel:
    """Return a table of an answer of flowaudit's API, whose columns already have their titles."""
    panel = _table(columns.values(), sort)
    panel.with_target(_Ready(query))
    return _dressed(panel, face, source)
