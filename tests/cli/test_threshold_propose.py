"""`threshold propose` on a file of messages, labelled or not, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emocx_pbx.cli import main

CALM = [f"Could you tell me the opening hours of shop number {n} please?" for n in range(70)]
UPSET = [f"Nobody has answered me for {n} weeks and this is a disgrace" for n in range(3, 13)]


def write(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_labelled_messages_give_threshold_alarms_and_share_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["text,label", *(f"{t},neutral" for t in CALM), *(f"{t},angry" for t in UPSET)]
    assert main(["threshold", "propose", "--csv", write(tmp_path / "m.csv", rows), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    proposal = found["proposal"]
    assert (proposal["calm"], proposal["upset"], found["unlabelled"]) == (70, 10, 0)
    assert proposal["false_alarms"]["value"] <= 0.05
    assert proposal["found"]["value"] == 1.0
    assert proposal["threshold"]["low"] <= proposal["threshold"]["value"] <= proposal["threshold"]["high"]


def test_messages_without_labels_were_resolved_without_complaint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "m.csv", ["text", *CALM])
    assert main(["threshold", "propose", "--csv", path, "--false-alarms", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "upset_threshold = " in out and "70 of them without a label" in out


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["text", *CALM[:20]], "20 messages of calm customers; 0.05 false alarms need 60"),
        (["text,label", "hello,sorry"], "label 'sorry', expected"),
        (["message", "hello"], "expected the column text, found message"),
    ],
)
def test_what_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[str], reason: str
) -> None:
    assert main(["threshold", "propose", "--csv", write(tmp_path / "m.csv", rows)]) == 2
    assert reason in capsys.readouterr().err
