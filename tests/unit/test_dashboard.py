"""The dashboard and the alerts ask for metrics and labels that pynet has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from plugin.observe.metrics import METRICS
from tests.pages import ROOT
from tests.promql import EVERYWHERE, WORDS, Selector, grouped, selectors
from tools.dashboard import FILE, dashboard

RULES = ROOT / "packaging/prometheus/pynet.rules.yml"
OTHERS = {"up": {"job", "instance"}, "node_textfile_mtime_seconds": {"file"}}  # of Prometheus and of node_exporter
KNOWN = {name: {*metric.labels, "le"} for metric in METRICS for name in metric.series} | OTHERS
BOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Return every expression of the dashboard, those of its variables too."""
    asked = [each["definition"] for each in BOARD["templating"]["list"] if each["type"] == "query"]
    variables = [re.sub(r"^label_values\((.*), \w+\)$", r"\1", each) for each in asked]
    return [*variables, *(target["expr"] for panel in PANELS for target in panel["targets"])]


def alerts() -> list[str]:
    """Return every expression of the alerts."""
    text = RULES.read_text()
    found = re.findall(r"^ +expr: (?!>-)(.+)$|^ +expr: >-\n((?: {10}.+\n)+)", text, re.MULTILINE)
    assert len(found) == text.count("- alert:")
    return [" ".join((one or several).split()) for one, several in found]


def wrong(expression: str) -> Iterator[str]:
    """Yield the names and labels of an expression that nobody exports."""
    chosen = selectors(expression)
    yield from (each.name for each in chosen if each.name not in KNOWN)
    labels = set().union(*(KNOWN.get(each.name, ()) for each in chosen)) | EVERYWHERE
    yield from grouped(expression) - labels
    for each in chosen:
        yield from set(each.labels) - KNOWN.get(each.name, set()) - EVERYWHERE


@pytest.mark.parametrize("expression", [*queries(), *alerts()])
def test_a_query_asks_for_what_pynet_exports(expression: str) -> None:
    """Names, labels of matchers and grouped labels are declared, and legends follow from the grouped ones."""
    assert list(wrong(expression)) == []


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("rate(pynet_networks_total[5m])", ["pynet_networks_total"]),
        ('sum by (mood) (pynet_networks{mode="x"})', ["mood"]),
        ('pynet_networks{network=~"x"} > 0', ["network"]),
        ("increase(pynet_networks[5m])", ["increase"]),
    ],
)
def test_a_mistake_in_a_query_is_found(expression: str, names: list[str]) -> None:
    """A metric, a label or a function that is not known is named."""
    assert list(wrong(expression)) == names


def test_the_parser_reads_selectors() -> None:
    """Functions are no metrics, and braces inside of texts are no matchers' end."""
    assert selectors('sum by (a, b) (rate(x{c=~"1|2",d!="\\""}[5m])) / y') == [
        Selector("x", ["c", "d"]),
        Selector("y", []),
    ]
    assert grouped("sum by (a, b) (x)") == {"a", "b"}
    assert not WORDS & set(KNOWN)
    with pytest.raises(ValueError, match="sum"):
        selectors("sum(x")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_can_be_read(panel: dict[str, Any]) -> None:
    """Each panel has a title, a unit and queries, and a legend names only labels that the query leaves."""
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        left = grouped(target["expr"]) if " by (" in target["expr"] else {"instance"}
        assert shown <= left, target["expr"]


def test_every_metric_is_on_the_dashboard() -> None:
    """Nobody has to write a query to see what pynet exports."""
    asked = {each.name for expression in queries() for each in selectors(expression)}
    unseen = [metric.name for metric in METRICS if not asked & set(metric.series)]

    assert unseen == []


def test_grafana_can_import_the_dashboard() -> None:
    """It has every part that Grafana's schema requires, with values that Grafana knows, and no data source of ours."""
    schema = json.loads((ROOT / "tests/grafana.schema.json").read_text())
    names = [each["name"] for each in BOARD["templating"]["list"]]
    used = set(re.findall(r"\$\{?([a-z]+)", FILE.read_text()))

    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(BOARD)] == []
    assert used == set(names)
    for panel in PANELS:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_dashboard_is_whole() -> None:
    """The file is what ``make lint`` writes; titles and ids are unique, and no panel covers another."""
    spots = [tuple(panel["gridPos"].values()) for panel in BOARD["panels"]]
    cells = [(x, y) for left, top, w, h in spots for x in range(left, left + w) for y in range(top, top + h)]

    assert dashboard() == BOARD
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(spots)
    assert len(cells) == len(set(cells))
