"""Cards and the registry: what is read, what is refused, and which version a name stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.emotion.card import Card, checksum, read_card, verify
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import ModelError

LABELS = ("angry", "neutral", "disappointed", "happy")


def put(root: Path, version: str = "1", name: str = "toy", weights: bytes = b"weights") -> Path:
    folder = root / "speech" / name / version
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(weights)
    card = Card("speech", name, version, LABELS, 0.4, 1.5, {"front": "x"}, {})
    card = Card(
        "speech",
        name,
        version,
        LABELS,
        0.4,
        1.5,
        {"front": "x"},
        {"model.tflite": checksum(folder / "model.tflite")},
    )
    card.write(folder)
    return folder


def test_a_card_reads_back_as_written(tmp_path: Path) -> None:
    folder = put(tmp_path)
    card = read_card(folder)
    assert (card.title, card.threshold, card.temperature, card.labels) == ("toy/1", 0.4, 1.5, LABELS)
    verify(folder, card)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a"]}, "labels are"),
        ({"threshold": 2}, "threshold"),
        ({"temperature": 0}, "temperature"),
        ({"threshold": "high"}, "could not convert"),
        ({"kind": None}, "kind is missing"),
        ({"languages": "en"}, "languages: expected codes"),
        ({"languages": []}, "languages: expected codes"),
    ],
)
def test_a_wrong_card_is_refused_in_one_line(tmp_path: Path, change: Any, reason: str) -> None:
    folder = put(tmp_path)
    data = json.loads((folder / "card.json").read_text())
    data = {k: v for k, v in {**data, **change}.items() if v is not None}
    (folder / "card.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=reason) as e:
        read_card(folder)
    assert "\n" not in str(e.value)


def test_no_card_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such card"):
        read_card(tmp_path)
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        read_card(tmp_path)


def test_newest_version_counts_as_numbers(tmp_path: Path) -> None:
    for version in ("1", "2", "10"):
        put(tmp_path, version)
    assert Registry(tmp_path).find("speech", "toy").card.version == "10"
    assert Registry(tmp_path).find("speech", "toy/2").card.version == "2"
    assert Registry(tmp_path).names("speech") == ["toy"]


def test_a_pin_stands_until_changed(tmp_path: Path) -> None:
    put(tmp_path, "1"), put(tmp_path, "2")
    registry = Registry(tmp_path)
    registry.pin("speech", "toy", "1")
    assert registry.find("speech", "toy").card.version == "1"
    registry.pin("speech", "toy", "2")
    assert registry.find("speech", "toy").card.version == "2"
    with pytest.raises(ModelError):
        registry.pin("speech", "toy", "9")


def test_damage_is_found(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / "model.tflite").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged"):
        Registry(tmp_path).find("speech", "toy")
    (folder / "model.tflite").unlink()
    with pytest.raises(ModelError, match="can't be read"):
        Registry(tmp_path).find("speech", "toy")


@pytest.mark.parametrize("spec", ["", "none", "toy/9", "../toy", "toy/../1", ".hidden", "toy/1/2"])
def test_what_is_not_there_is_a_model_error(tmp_path: Path, spec: str) -> None:
    put(tmp_path)
    with pytest.raises(ModelError):
        Registry(tmp_path).find("speech", spec)


def test_a_card_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path)
    folder.rename(folder.with_name("3"))
    with pytest.raises(ModelError, match="not of speech toy/3"):
        Registry(tmp_path).find("speech", "toy")
