"""Rubric files: what is shipped loads, what would be unfair is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.grading.rubric import BUILT_IN, load_rubric


def test_the_shipped_rubric_loads() -> None:
    rubric = load_rubric()
    assert rubric.version == "v1"
    assert rubric.evidence.min_speech_s == 8.0
    assert [rubric.letter(score) for score in (100, 80, 79.99, 45, 30, 29.9, 0)] == list("AABCDEE")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("course = 20.0", "course = 40.0", "points.course must not exceed points.mean"),
        ("happy = 1.0", "happy = -1.0", "valence must rise"),
        ("angry = -1.0", "angry = -3.0", "valence.angry"),
        ("share = 0.25 ", "share = 0.90 ", "must not exceed 1"),
        ("B = 60.0", "B = 90.0", "letters must be listed"),
        ("mean = 28.0", "maen = 28.0", "points"),
        ("[points]", "[points", "not TOML"),
    ],
)
def test_an_unfair_or_wrong_rubric_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = BUILT_IN.read_text()
    assert old in text
    file = tmp_path / "site.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=reason) as caught:
        load_rubric(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_rubric(tmp_path / "nowhere.toml")


def test_a_site_may_change_and_name_its_own(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(BUILT_IN.read_text().replace('version = "v1"', 'version = "shop-2"'))
    assert load_rubric(file).version == "shop-2"
