"""Promoting, refusing and rolling back text models by the command line, on copies of the shipped one."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from emocx_pbx.cli import main
from emocx_pbx.emotion.card import checksum, read_card
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.weights.catalogue import SETS, TOPICS
from emocx_pbx.weights.places import folder_of

SHIPPED = Path(__file__).parents[2] / "models"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """lstm/1, in use, and lstm/2, the same."""
    source = Registry(SHIPPED).find("text", "lstm").path
    for version in ("1", "2"):
        folder = tmp_path / "models" / "text" / "lstm" / version
        shutil.copytree(source, folder)
        replace(read_card(folder), version=version).write(folder)
    (tmp_path / "models" / "text" / "lstm" / "current").write_text("1\n")
    return tmp_path / "models"


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    path = tmp_path / "messages.csv"
    said = {
        "angry": "this is outrageous, I am furious, give me my money back",
        "neutral": "what are your opening hours",
        "disappointed": "I am so disappointed, I expected better",
        "happy": "thank you so much, great service",
    }
    with path.open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["text", "label"])
        rows.writerows([f"{text}, number {i}", label] for label, text in said.items() for i in range(6))
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([*map(str, args), "--config", os.devnull])
    out = capsys.readouterr()
    return code, out.out, out.err.removeprefix(f"emocx-pbx: settings read from {os.devnull}\n")


def test_a_version_that_is_no_worse_comes_into_use_and_back(
    models: Path, messages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "models", "promote", "lstm/2", "--csv", messages, "--models", models, "--json")
    found = json.loads(out)
    assert (code, found["promoted"], found["before"]) == (0, True, "lstm/1")
    assert found["comparison"]["items"] == 24
    assert Registry(models).current("text", "lstm") == "2"
    assert Registry(models).steps("text", "lstm")[0]["why"] == found["comparison"]["why"]
    assert run(capsys, "models", "rollback", "lstm", "--models", models)[0] == 0
    assert Registry(models).current("text", "lstm") == "1"
    code, _, err = run(capsys, "models", "rollback", "lstm", "--models", models)
    assert (code, err.count("\n")) == (2, 1)


def test_a_worse_version_is_refused(models: Path, messages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(models / "text" / "lstm" / "2")
    code, out, _ = run(capsys, "models", "promote", "lstm/2", "--csv", messages, "--models", models, "--json")
    found = json.loads(out)
    assert (code, found["promoted"]) == (1, False)
    assert "worse" in found["comparison"]["why"]
    assert Registry(models).current("text", "lstm") == "1"


def spoil(folder: Path) -> None:
    """Vocabulary turned upside down: the weights answer about other words."""
    path = folder / "vocabulary.txt"
    pieces = path.read_text().splitlines()
    path.write_text("\n".join(pieces[:80] + pieces[:79:-1]) + "\n")
    card = read_card(folder)
    replace(card, sha256={**card.sha256, "vocabulary.txt": checksum(path)}).write(folder)


def test_damage_is_found_and_never_promoted(
    models: Path, messages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "models", "verify", "--models", models)[0] == 0
    with (models / "text" / "lstm" / "2" / "model.tflite").open("ab") as f:
        f.write(b"x")
    code, out, _ = run(capsys, "models", "verify", "lstm/2", "--models", models)
    assert (code, "damaged" in out) == (1, True)
    code, _, err = run(capsys, "models", "promote", "lstm/2", "--csv", messages, "--models", models)
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("promote", "lstm"), "say which version"),
        (("promote", "lstm/1"), "in use already"),
        (("promote", "lstm/2"), "held-out data"),
        (("promote", "lstm/3"), "no version '3'"),
        (("show", "nothing"), "no such model"),
        (("rollback", "lstm"), "nothing to return to"),
    ],
)
def test_bad_use_is_one_line(
    models: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], reason: str
) -> None:
    code, _, err = run(capsys, "models", *args, "--models", models)
    assert (code, err.count("\n"), reason in err) == (2, 1, True), err


def test_a_person_may_promote_anyway_with_a_reason(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "models", "promote", "lstm/2", "--anyway", "trial", "--models", models)[0] == 0
    code, out, _ = run(capsys, "models", "show", "lstm", "--models", models)
    assert code == 0
    assert "1 -> 2" in out and "trial" in out


def test_evaluate_against_an_older_one(
    models: Path, messages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(models / "text" / "lstm" / "2")
    code, out, _ = run(
        capsys, "evaluate", "text", "--csv", messages, "--models", models, "--model", "lstm/2",
        "--against", "lstm/1", "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert (code, found["model"], found["against"]["model"]) == (1, "lstm/2", "lstm/1")
    assert found["labels"] == ["angry", "neutral", "disappointed", "happy"]


def test_shipped_models_are_not_pinned() -> None:
    """The newest shipped version is the one in use; a pin would hold an older one."""
    assert not list(SHIPPED.glob("*/*/current"))


def fetch(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main(["models", "fetch", *map(str, args)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_weights_are_fetched_from_a_folder_of_the_sites_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = folder_of(TOPICS)
    assert here is not None, "emocx-pbx models fetch topics"
    mirror, to = tmp_path / "mirror", tmp_path / "weights"
    (mirror / "topics").mkdir(parents=True)
    (mirror / "topics/model.onnx").symlink_to(here / "model.onnx")
    code, out, err = fetch(capsys, "topics", "--from", mirror, "--to", to, "--offline")
    assert (code, err) == (0, "")
    assert f"fetched  22.9 MB  {mirror}/topics/model.onnx" in out
    assert "topics: Apache-2.0; all-MiniLM-L6-v2" in out
    code, out, _ = fetch(capsys, "topics", "--to", to, "--offline", "--json")
    (file,) = json.loads(out)["files"]
    assert (code, file["state"], file["licence"]) == (0, "there", "Apache-2.0")
    assert file["from"] == f"{mirror}/topics/model.onnx"


def test_what_can_not_be_had_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.weights.sources.in_package", lambda part: None)
    to = tmp_path / "weights"
    code, out, err = fetch(capsys, "topics", "--from", tmp_path / "none", "--to", to, "--offline")
    assert code == 1 and "missing" in out
    assert err.splitlines() == [
        f"emocx-pbx: topics/model.onnx: {tmp_path}/none/topics/model.onnx: no such file or directory",
        "emocx-pbx: topics/model.onnx: had from none of 1 sources",
    ]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["voices"], "no weights 'voices'; there are: speech-to-text, topics"),
        (["topics", "--from", "ftp://example.com"], "expected a folder, or an address"),
        (["topics", "--from", "https://example.com", "--offline"], "needs the network"),
        (["topics", "--offline", "--to", "/dev/null/weights"], "/dev/null/weights: can't be written"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = fetch(capsys, *args)
    assert (code, out) == (2, "")
    assert says in err and len(err.splitlines()) == 1


def test_what_there_is_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = fetch(capsys, "--list", "--json")
    sets = {one["set"]: one for one in json.loads(out)["sets"]}
    assert code == 0 and list(sets) == [one.name for one in SETS]
    assert sets["speech-to-text"]["files"][1]["hub"].startswith("https://")
    code, out, _ = fetch(capsys, "--list", "whisper-base")
    assert "whisper-base (145 MB, MIT)" in out and "topics" not in out


def test_without_extras_it_is_said_what_to_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = fetch(capsys)
    assert code == 2 and "neither of the extras speech-to-text and topics" in err


def test_fetched_weights_are_verified_with_the_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.weights.places.default_weights_dir", lambda: tmp_path)
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics/model.onnx").write_bytes(b"x")
    code, out, _ = run(capsys, "models", "verify")
    assert code == 1 and "not the file that was tried" in out
    (tmp_path / "topics/model.onnx").unlink()
    assert run(capsys, "models", "verify")[0] == 0
