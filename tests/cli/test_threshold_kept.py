"""`threshold propose` from what a running service kept: decisions, grades and people's corrections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from emocx_pbx.cli import main
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import QueryCorrectionRow

AT = 1_795_000_000.0
NOTED = Entry(Actor("ann", ""), "query.corrected", "d")
WELL, BADLY, NO_CALL = 85.0, 20.0, None
Query = tuple[str | None, float, float | None, str]
"""Text, P(upset) as decided then, the call's score, a person's label."""


def kept(path: Path, queries: Sequence[Query]) -> str:
    """A site's settings file beside a store of these queries."""

    async def fill() -> None:
        store = await Store.open(path / "calls.db")
        for n, (text, upset, score, label) in enumerate(queries):
            decision = Decision(f"d{n}", AT + n, "ok", "sales", "neutral", 0.6, None, upset=upset)
            await store.decisions.record(decision, None, f"crm-{n}", text, ())
            if score is not None:
                await store.calls.start(f"c{n}", AT + n, None, None, "sales", f"d{n}")
                await store.calls.save_segment(
                    Segment(f"c{n}", 0, "Agent", "PJSIP/1", "sales", "queue", AT + n, AT + n + 60)
                )
                grade = Grade(score, "A", score - 5, score + 5, 30.0, (), "v1", {})
                await store.grades.save(f"c{n}", 0, grade, (), AT + n + 61)
            if label:
                correction = QueryCorrectionRow(f"d{n}", label, "ann", "", AT + n + 90)
                await store.decisions.correct(correction, NOTED)
        await store.close()

    asyncio.run(fill())
    config = path / "emocx.toml"
    config.write_text('[store]\npath = "calls.db"\n', encoding="utf-8")
    return str(config)


def proposed(config: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    assert main(["threshold", "propose", "--json", "--config", config, *more]) == 0, capsys.readouterr().err
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_calls_graded_well_are_calm_and_corrections_say_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries: list[Query] = [(None, 0.1 + n / 1000, WELL, "") for n in range(66)]
    queries += [(None, 0.3, BADLY, "neutral")] * 4
    queries += [(None, 0.8, WELL, "angry"), (None, 0.7, NO_CALL, "disappointed")] * 5
    queries += [(None, 0.9, BADLY, ""), (None, 0.9, NO_CALL, "")] * 10
    found = proposed(kept(tmp_path, queries), capsys)
    proposal = found["proposal"]
    assert isinstance(proposal, dict)
    assert (proposal["calm"], proposal["upset"], found["unlabelled"]) == (70, 10, 66)
    assert 0.16 < proposal["threshold"]["value"] <= 0.301
    assert proposal["found"]["value"] == 1.0


def test_kept_texts_are_read_by_the_model_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calm = "Could you tell me the opening hours of shop number {} please?"
    queries: list[Query] = [(calm.format(n), 0.97, WELL, "") for n in range(62)]
    queries += [(f"Nobody has answered me for {n} weeks and this is a disgrace", 0.02, BADLY, "angry")
                for n in range(3, 8)]  # fmt: skip
    queries += [
        ("Wo bleibt denn eigentlich meine Bestellung, ich warte schon drei Wochen darauf?", 0.5, WELL, "")
    ]
    found = proposed(kept(tmp_path, queries), capsys)
    proposal = found["proposal"]
    assert isinstance(proposal, dict)
    assert proposal["upset"] == 5 and proposal["threshold"]["value"] < 0.4
    assert proposal["found"]["value"] == 1.0


def test_too_few_messages_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = kept(tmp_path, [(None, 0.1, WELL, "")] * 20)
    assert main(["threshold", "propose", "--config", config]) == 2
    assert "kept queries: 20 messages of calm customers" in capsys.readouterr().err
    assert main(["threshold", "propose", "--config", config, "--false-alarms", "0.2"]) == 0
    assert "upset_threshold = " in capsys.readouterr().out
