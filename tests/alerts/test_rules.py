"""[[alerts]] of a policy: read, defaulted, and refused where they contradict themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.domain import Scores
from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.policy import load_policy

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def loaded(tmp_path: Path, text: str) -> tuple[AlertRule, ...]:
    (tmp_path / "policy.toml").write_text(text)
    return load_policy(tmp_path / "policy.toml").alerts


def test_defaults_follow_from_for_s(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, '[[alerts]]\nname = "a"\nwhen = "angry"\nfor_s = 15\n')
    assert (rule.window_s, rule.high, rule.low) == (30, 15, 7.5)
    (rule,) = loaded(tmp_path, '[[alerts]]\nname = "a"\nwhen = "falling"\nfor_s = 15\nby = 0.6\n')
    assert (rule.window_s, rule.high, rule.low) == (15, 0.6, 0.3)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('when = "angry"\nfor_s = 20\nwithin_s = 10', "alerts[0].within_s: expected at least for_s = 20"),
        ('when = "angry"\nclear_s = 20', "alerts[0].clear_s: expected less than for_s = 20, got 20"),
        ('when = "falling"\nclear_by = 0.5', "alerts[0].clear_by: expected less than by = 0.5, got 0.5"),
        ('when = "falling"\nwithin_s = 30', 'alerts[0].within_s: does not go with when = "falling"'),
        ('when = "angry"\nsince = "transfer"', 'alerts[0].since: goes only with when = "falling"'),
        ('when = "angry"\nat_least = 0.4', 'alerts[0].at_least: goes only with when = "upset"'),
        ('when = "upset"\nat_least = 0.4\nmin_confidence = 0.5', "and without min_confidence"),
        (
            'when = "happy"\npercentile = 95',
            'alerts[0].percentile: goes only with when = "angry" or "upset"',
        ),
        (
            'when = "angry"\npercentile = 95\nmin_confidence = 0.5',
            "alerts[0].min_confidence: does not go with percentile",
        ),
        ('when = "sad"', "alerts[0].when: expected one of"),
        ('when = "angry"\nfor = 3', "alerts[0].for: unknown setting; did you mean for_s?"),
        ('when = "angry"\nfor_s = 0', "alerts[0].for_s: expected a number over 0 and at most 600, got 0"),
        (
            'when = "angry"\n[[alerts]]\nname = "a"\nwhen = "upset"',
            "alerts[1].name: expected a unique name, got 'a'",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, f'[[alerts]]\nname = "a"\n{lines}\n')
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_cannot_break_out_of_an_ami_header(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"alerts\[0\]\.name"):
        loaded(tmp_path, '[[alerts]]\nname = "a\\r\\nAction: Originate"\nwhen = "angry"\n')


def test_the_pages_example_loads_and_every_entry_is_described(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    assert len(loaded(tmp_path, example[1])) == 3
    assert [name for name in AlertRule.__struct_fields__ if f"`{name}`" not in PAGE] == []


def test_upset_may_have_a_threshold_of_its_own() -> None:
    rule = AlertRule(name="a", when="upset", at_least=0.4)
    assert rule.evidence(Scores((0.3, 0.5, 0.15, 0.05), threshold=0.6)) == 1.0
    assert rule.evidence(Scores((0.2, 0.6, 0.15, 0.05), threshold=0.6)) == 0.0
    assert AlertRule(name="a", when="upset").evidence(Scores((0.3, 0.5, 0.15, 0.05), threshold=0.6)) is None
