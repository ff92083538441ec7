"""`emocx-pbx review`: a round from its drawing to the report, without a page."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from emocx_pbx.cli import main
from emocx_pbx.domain import Decision, Scores
from emocx_pbx.store.database import Store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emocx.toml"
    path.write_text("[privacy]\nstore_query_text = true\n")

    async def fill() -> None:
        store = await Store.open(tmp_path / "emocx.db")
        for number in range(24):
            scores = Scores((0.7, 0.1, 0.1, 0.1) if number % 2 else (0.1, 0.7, 0.1, 0.1), 0.4)
            decision = Decision(
                f"d{number}", time.time() - 3600, "ok", "care", scores.emotion, scores.confidence,
                scores.as_dict(), upset=scores.upset,
            )  # fmt: skip
            await store.decisions.record(decision, None, f"crm-{number}", f"{number}: where is my parcel")
        await store.close()

    asyncio.run(fill())
    return path


def run(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> tuple[int, str, str]:
    code = main(["review", *arguments, "--config", str(config)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_round_from_drawing_to_report(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, config, "draw", "--kind", "text", "--random", "20", "--doubt", "0", "--json")
    assert code == 0 and json.loads(out)["items"] == 20 and json.loads(out)["sure"] == 24
    for number in range(20):
        _, out, _ = run(capsys, config, "next", "--kind", "text", "--by", "ann", "--json")
        found = json.loads(out)
        assert found["waiting"] == 20 - number and set(found) == {"item_id", "waiting", "kind", "text"}
        angry = int(found["text"].split(":")[0]) % 2
        label = "angry" if angry and number else "neutral"
        assert run(capsys, config, "label", found["item_id"], label, "--by", "ann")[0] == 0
    _, out, _ = run(capsys, config, "next", "--kind", "text", "--by", "ann")
    assert out == "nothing to label\n"
    code, out, _ = run(capsys, config, "report", "--kind", "text", "--json")
    report = json.loads(out)
    assert code == 0 and report["windows"] == 20 and report["right"]["value"] >= 0.94
    code, out, _ = run(capsys, config, "report", "--kind", "text")
    assert (
        code == 0 and "20 labelled windows of 20 callers, labelled by 1" in out and "intervals of 95 %" in out
    )
    code, out, _ = run(capsys, config, "list")
    assert code == 0 and "text" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("draw",), "[recordings] path"),
        (("draw", "--kind", "text", "--random", "0", "--doubt", "0"), "at least one"),
        (("draw", "--kind", "text", "--since", "2020-01-01", "--until", "2020-01-02"), "nothing to draw"),
        (("label", "none", "angry"), "no such window"),
    ],
)
def test_what_is_wrong_is_one_line(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    code, _, err = run(capsys, config, *arguments)
    assert code == 2 and why in err.splitlines()[-1]


def test_a_report_without_labels_says_what_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, config, "report")
    assert code == 0 and "no labels yet" in out


def test_a_training_without_its_packages_says_what_to_install(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from emocx_pbx.deeds import learning

    monkeypatch.setattr(learning, "NEEDED", ("no_such_package",))
    code, _, err = run(capsys, config, "train", "--kind", "text")
    assert code == 2 and err.splitlines()[-1].endswith("pip install 'emocx-pbx[train]'")
