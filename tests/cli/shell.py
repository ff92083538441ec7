"""Commands run as a user runs them, on one settings file and a database with one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx import cli
from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment
from emocx_pbx.events.build import call_graded
from emocx_pbx.settings.settings import load
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import AlertRow

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
CONFIG = f"""
[store]
path = "calls.db"
[[webhooks]]
name = "crm"
url = "https://crm.example/hook"
secret = "{SECRET}"
"""


class Shell:
    """Runs commands with one settings file."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self._capsys = config, capsys

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        try:
            status = cli.main([*words, "--config", str(self.config)])
        except SystemExit as e:
            status = int(e.code or 0)
        out, err = self._capsys.readouterr()
        assert status == code, err
        return out, err

    def refusal(self, *words: str) -> str:
        out, err = self(*words, code=2)
        err = err.removeprefix(f"emocx-pbx: settings read from {self.config}\n")
        assert out == "" and err.count("\n") == 1
        return err.strip()


GRADE = Grade(
    62.0, "C", 51.0, 70.0, 21.4,
    (Contribution("base", 50, "where everybody begins"), Contribution("end", 12, "ended calmer")),
)  # fmt: skip


async def fill(config: Path) -> None:
    """One finished call with a decision, two readings and a grade."""
    settings = load(config, {})
    store = await Store.open(settings.store_path(), settings.webhooks)
    decision = Decision("d1", 100.0, "ok", "care", "angry", 0.8, None, reasons=("because",))
    segment = Segment("c1", 0, "Anna", "PJSIP/anna", "care", "queue", 101.0, 150.0, "hangup")
    await store.decisions.record(decision, "c1", "cust-7", None)
    await store.calls.start("c1", 100.0, "cust-7", "+49301", "care", "d1")
    await store.calls.save_segment(segment)
    await store.readings.add(
        "c1", [Reading(1.0, 5.0, 3.5, Scores((0.8, 0.1, 0.05, 0.05)), "cnn/1"),
               Reading(66.0, 70.0, 3.5, Scores((0.1, 0.7, 0.1, 0.1)), "cnn/1")],
    )  # fmt: skip
    await store.alerts.save([AlertRow("c1", "angry", 1.0, 66.0, 130.0, 0, "Anna", "Signals of anger.")])
    await store.grades.save("c1", 0, GRADE, [call_graded(segment, GRADE, at=150.0)], at=150.0)
    await store.calls.end("c1", 150.0, "hangup")
    await store.close()
