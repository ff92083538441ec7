"""Figures of upset or not, the protocol's parts, and what is taught by severity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emocx_pbx.errors import InputError
from emocx_pbx.training.text.messages import (
    CompanyMessage,
    company_messages,
    labelled,
    lessons,
    other_languages,
    target,
)
from emocx_pbx.training.text.upset import auc, calibration_gap, found_at, upset_figures

TRUTH = np.array([True, True, False, False])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([0.9, 0.8, 0.2, 0.1], 1.0),
        ([0.1, 0.2, 0.8, 0.9], 0.0),
        ([0.5] * 4, 0.5),
        ([0.9, 0.2, 0.5, 0.1], 0.75),
    ],
)
def test_auc(said: list[float], expected: float) -> None:
    assert auc(TRUTH, np.array(said, np.float32)) == pytest.approx(expected)


def test_auc_of_one_kind_alone_is_no_number() -> None:
    assert np.isnan(auc(TRUTH[:2], np.array([0.1, 0.2], np.float32)))


def test_found_at_a_share_of_false_alarms() -> None:
    upset = np.repeat([True, False], 100)
    said = np.concatenate([np.linspace(0.5, 1, 100), np.linspace(0, 0.6, 100)]).astype(np.float32)
    assert found_at(upset, said) == pytest.approx(0.86, abs=0.02)


def test_calibration_sees_too_much_confidence() -> None:
    upset = np.repeat([True, False], 50)
    assert calibration_gap(upset, np.full(100, 0.97, np.float32)) == pytest.approx(0.47, abs=0.01)


def test_intervals_hold_the_value_and_pairs_have_a_difference() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    good = (np.eye(4)[labels] + rng.uniform(0, 1, (200, 4))).astype(np.float32)
    good /= good.sum(axis=1, keepdims=True)
    bad = rng.dirichlet(np.ones(4), 200).astype(np.float32)
    figures = upset_figures(labels, good, bad, draws=200)
    for name in ("auc", "found", "false_alarms", "found_at_5", "uar"):
        assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]
    assert figures["difference"]["auc"]["low"] > 0.1
    assert figures == upset_figures(labels, good, bad, draws=200)


def test_a_set_of_calm_messages_has_no_auc() -> None:
    figures = upset_figures(np.array([1, 3, 1]), np.eye(4, dtype=np.float32)[[1, 3, 1]], draws=20)
    assert figures["auc"] == {"value": None, "low": None, "high": None}
    assert figures["false_alarms"]["value"] == 0.0


HEAD = "text,label,complaint,severity,sentiment,emotion,domain"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "text" / "service"
    folder.mkdir(parents=True)
    (folder / "complaints.csv").write_text(
        f"{HEAD}\nlate again,angry,1,3,negative,anger,cars\nwhere is it,neutral,0,0,neutral,other,retail\n"
        "no signal,disappointed,1,1,negative,sadness,software\nhelp,,0,0,negative,fear,software\n"
    )
    (folder / "banks.csv").write_text(f"{HEAD}\nmy card,neutral,1,1,neutral,other,Loan\n")
    return tmp_path


def test_the_protocols_parts(data: Path) -> None:
    messages = company_messages(data)
    assert [m.split for m in messages[:4]] == ["test", "dev", "train", "train"]
    assert labelled(messages, "test").texts == ("late again",)
    assert "help" not in lessons(messages).texts
    assert other_languages(data, "dev") == {}


def test_a_wrong_severity_is_named(data: Path) -> None:
    (data / "text" / "service" / "banks.csv").write_text(f"{HEAD}\nmy card,neutral,1,high,n,o,Loan\n")
    with pytest.raises(InputError, match="line 2: severity 'high'"):
        company_messages(data)


@pytest.mark.parametrize("label", [None, 0, 1, 2, 3])
def test_more_reproach_is_taught_as_more_upset(label: int | None) -> None:
    taught = [target(CompanyMessage("", label, severity, "train")) for severity in range(1, 5)]
    upset = [t[0] + t[2] for t in taught]
    assert all(sum(t) == pytest.approx(1.0) for t in taught)
    if label != 3:
        assert upset == sorted(upset) and upset[0] < 0.65 and upset[-1] > 0.9


def test_a_plain_problem_is_mostly_neutral() -> None:
    angry, neutral, disappointed, _ = target(CompanyMessage("my card was declined", 1, 1, "train"))
    assert neutral == 0.75 and disappointed == 0.25 and angry == 0.0
