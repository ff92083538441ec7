"""Dashboard and alert rules name metrics and labels that the service really exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emocx_pbx.observe.metrics import COUNTERS, GAUGES, Metrics

MONITORING = Path(__file__).parents[2] / "docker" / "monitoring"


def expressions() -> Iterator[str]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    yield from re.findall(r"^\s+expr: (.+)$", (MONITORING / "alerts.yaml").read_text(), re.MULTILINE)


def exported() -> dict[str, set[str]]:
    """Labels by metric, of a service in which everything happened once."""
    metrics = Metrics()
    for name in COUNTERS:
        metrics.count(name, "x")
    for name in GAUGES:
        metrics.set(name, 1.0, "x")
    metrics.request("page", 0.1)
    found: dict[str, set[str]] = {}
    for line in metrics.render()[0].decode().splitlines():
        if match := re.match(r"(\w+)(?:\{(.*)\})? ", line) if not line.startswith("#") else None:
            labels = set(re.findall(r'(\w+)="', match[2] or ""))
            found.setdefault(match[1], set()).update(labels)
    return found


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_finds_something(expression: str) -> None:
    known = exported()
    named = re.findall(r"emocx_\w+", expression)
    assert named or expression == 'up{job="emocx-pbx"} == 0'
    assert set(named) <= set(known), expression
    for name, matchers in re.findall(r"(emocx_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*=", matchers)) <= known[name], expression
    for labels in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in labels.split(",")} <= set().union(*(known[n] for n in named))


def test_legends_name_labels_that_there_are() -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    known = exported()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            # Prometheus itself says which host a value is of.
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - {"instance"}
            assert labels <= set().union(*(known[n] for n in re.findall(r"emocx_\w+", target["expr"])))
