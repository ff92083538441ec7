"""card.md tells people all that card.json knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.training.speech.card import card_text, write_card_text


@pytest.fixture(scope="module")
def voice() -> ModelFolder:
    return Registry().find("speech", "voice")


@pytest.mark.parametrize("name", ["mlp", "cnn", "voice"])
def test_the_shipped_page_is_of_the_shipped_card(name: str) -> None:
    model = Registry().find("speech", name)
    assert (model.path / "card.md").read_text(encoding="utf-8") == card_text(model.card)


def test_every_part_of_the_figures_has_its_table(voice: ModelFolder) -> None:
    page = card_text(voice.card)
    for title in (
        "## Test speakers",
        "## Callers of whom 8 clips were heard before (UAR)",
        "## Each corpus by a model that never heard it",
        "## Known failures: emotions of test speakers that are often taken for another",
        "## The twenty worst test clips",
    ):
        assert title in page
    test = voice.card.figures["test"]["pooled"]
    assert f"| pooled | {test['clips']} | {test['uar']:.3f} |" in page
    assert voice.card.figures["remarks"][0] in page


def test_every_row_of_a_table_has_as_many_columns_as_its_head(voice: ModelFolder) -> None:
    columns = None
    for line in card_text(voice.card).splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        columns = columns or line.count("|")
        assert line.count("|") == columns, line


def test_what_was_not_measured_has_no_table(voice: ModelFolder, tmp_path: Path) -> None:
    write_card_text(tmp_path, replace(voice.card, figures={}))
    page = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "**Licence:**" in page
    assert "## " not in page
