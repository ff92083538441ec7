"""Commands that run models on a file or on texts: analyse, route, evaluate, train."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.shell import CONFIG, Shell

from emocx_pbx.commands.evaluate import usual_split
from emocx_pbx.domain import Scores
from emocx_pbx.emotion.card import Card


@pytest.mark.parametrize("module", ["tensorflow", "librosa.core"])
def test_a_missing_extra_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Wherever it is met: also deep in a training that reads its data first."""

    def trained(*given: object, **more: object) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("emocx_pbx.commands.training.needs_extra", trained)
    said = shell.refusal("train", "text")
    assert said == f"emocx-pbx: {module} is not installed: pip install 'emocx-pbx[train]'"


def test_a_module_of_no_extra_that_is_missing_is_our_fault(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*given: object, **more: object) -> None:
        raise ModuleNotFoundError("No module named 'aiosqlite'", name="aiosqlite")

    monkeypatch.setattr("emocx_pbx.commands.training.needs_extra", trained)
    with pytest.raises(ModuleNotFoundError):
        shell("train", "text")


def test_route_explains_itself(shell: Shell) -> None:
    shell.config.write_text('[routing]\npolicy = "p.toml"\n[analysis]\ntext_model = "off"\n')
    (shell.config.parent / "p.toml").write_text(
        '[[rules]]\nname = "gold"\nattributes = { plan = ["gold"] }\nqueue = "vip"\npriority = 3\n'
        '[[rules]]\nname = "night"\nhours = ["22:00-06:00"]\nqueue = "night"\n'
    )
    words = ("route", "where is my parcel", "--queue", "support", "--at", "2026-11-24T12:00")
    out, _ = shell(*words, "--attribute", "plan=gold", "--explain")
    assert "queue       vip" in out and "priority    3" in out and 'rule "gold" fired' in out
    assert "-----  night" in out
    out, _ = shell(*words, "--explain")
    assert "queue       support" in out and "the time is 12:00, not in 22:00-06:00" in out
    decided = json.loads(shell(*words, "--explain", "--json")[0])
    assert decided["decision"]["status"] == "default"
    assert [rule["fired"] for rule in decided["rules"]] == [False, False]
    assert "expected NAME=VALUE, got 'gold'" in shell.refusal(*words, "--attribute", "gold")


def test_route_knows_the_queues_that_it_is_told(shell: Shell) -> None:
    shell.config.write_text('[routing]\npolicy = "p.toml"\n[analysis]\ntext_model = "off"\n')
    (shell.config.parent / "p.toml").write_text(
        '[[rules]]\nname = "short"\nqueue = "vip"\nmax_waiting = 2\ntier = 1\ntier_wait_s = 30\n'
    )
    words = ("route", "where is my parcel", "--explain")
    out, _ = shell(*words, "--queue-state", "vip=2,40,1")
    assert "queue       vip" in out and "agents with penalty 0 to 1 for 30 s, then any" in out
    assert "vip: 2 waiting, longest 40 s, 1 free" in out
    out, _ = shell(*words, "--queue-state", "vip=3,40,1")
    assert "3 callers wait in vip, more than 2" in out
    assert "the state of queue vip is not known" in shell(*words)[0]
    assert "like care=3,40,1, got 'vip=3'" in shell.refusal(*words, "--queue-state", "vip=3")


def test_analyse_refuses_in_one_line(shell: Shell, tmp_path: Path) -> None:
    shell.config.write_text('[analysis]\nspeech_model = "off"\n')
    assert "speech_model is off" in shell.refusal("analyse", str(tmp_path / "x.wav"))
    shell.config.write_text('[analysis]\nmodels_dir = "none"\n')
    assert "no speech model" in shell.refusal("analyse", str(tmp_path / "x.wav"))


SPEECH = Path(__file__).parents[1] / "data" / "audio" / "call_customer.flac"


class AlwaysCalm:
    """A speech model's stand-in."""

    name = "calm/1"
    centred = False
    place = None

    def classify(self, samples: object) -> Scores:
        return Scores((0.1, 0.7, 0.1, 0.1))

    def session(self, neutral_share: float, zero: object = None) -> AlwaysCalm:
        return self

    read = classify


def test_analyse_shows_course_and_grade(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emocx_pbx.emotion.speech.load_speech", lambda registry, spec: AlwaysCalm())
    out, _ = shell("analyse", str(SPEECH))
    assert "model calm/1" in out and "neutral" in out and "grade: " in out
    result = json.loads(shell("analyse", str(SPEECH), "--json")[0])
    assert result["model"] == "calm/1" and result["readings"][0]["emotion"] == "neutral"
    total = sum(c["points"] for c in result["grade"]["contributions"])
    assert result["grade"]["score"] == pytest.approx(total, abs=0.02)
    assert result["alerts"] == []
    assert "No such file" in shell.refusal("analyse", "absent.wav")
    assert "expected 2 for stereo" in shell.refusal("analyse", str(SPEECH), "--stereo")


def test_analyse_hears_words_where_it_is_asked_to(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emocx_pbx.emotion.speech.load_speech", lambda registry, spec: AlwaysCalm())
    readings = json.loads(shell("analyse", str(SPEECH), "--json")[0])["readings"]
    assert {r["evidence"] for r in readings} == {"voice"}
    by_voice = readings[0]["probabilities"]
    readings = json.loads(shell("analyse", str(SPEECH), "--words", "all", "--json")[0])["readings"]
    both = [r for r in readings if r["evidence"] == "both"]
    assert both and all(r["probabilities"] != by_voice for r in both)
    shell.config.write_text('[analysis]\nwords = "all"\n')
    assert "(voice and words)" in shell("analyse", str(SPEECH))[0], "the settings ask for it, too"
    assert "(voice and words)" not in shell("analyse", str(SPEECH), "--words", "off")[0]
    shell.config.write_text('[analysis]\nwords = "all"\ntranscriber = "off"\n')
    assert "words need speech-to-text" in shell.refusal("analyse", str(SPEECH))
    shell.config.write_text('[analysis]\nwords = "all"\ntext_model = "off"\n')
    assert "words need a text model" in shell.refusal("analyse", str(SPEECH))


def test_analyse_tells_what_alert_rules_would_have_raised(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlwaysCalm, "read", lambda self, samples: Scores((0.9, 0.1, 0, 0)))
    monkeypatch.setattr("emocx_pbx.emotion.speech.load_speech", lambda registry, spec: AlwaysCalm())
    (tmp_path / "policy.toml").write_text('[[alerts]]\nname = "cross"\nwhen = "angry"\nfor_s = 5\n')
    shell.config.write_text(CONFIG + '[routing]\npolicy = "policy.toml"\n')
    out, _ = shell("analyse", str(SPEECH))
    assert "alert cross raised at 0:" in out and "alert cross cleared at 0:26: The call is over" in out
    alerts = json.loads(shell("analyse", str(SPEECH), "--json")[0])["alerts"]
    assert [(a["rule"], a["state"]) for a in alerts] == [("cross", "raised"), ("cross", "cleared")]


def test_evaluate_text_prints_a_confusion_table(shell: Shell, tmp_path: Path) -> None:
    shell.config.write_text("")
    (tmp_path / "t.csv").write_text("text,label\nI am furious with you,angry\nthank you so much,happy\n")
    out, _ = shell("evaluate", "text", "--csv", str(tmp_path / "t.csv"))
    assert "true \\ said" in out and "uar: " in out
    result = json.loads(shell("evaluate", "text", "--csv", str(tmp_path / "t.csv"), "--json")[0])
    assert {"labels", "uar", "accuracy", "macro_f1", "recall", "confusion"} <= set(result)
    assert "absent.csv" in shell.refusal("evaluate", "text", "--csv", "absent.csv")


def test_training_speaks_to_the_folder_of_models(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, ...]] = []

    def train_text(data: Path, out: Path, **options: object) -> Card:
        given.append((data, out, options["seed"], options["base"]))
        return Card("text", "lstm", out.name, (), figures={"uar": 0.5})

    monkeypatch.setattr("emocx_pbx.training.text.train.train_text", train_text)
    out, _ = shell("train", "text", "--data", "d.csv", "--out", str(tmp_path), "--base", "lstm/1")
    assert given == [(Path("d.csv"), tmp_path / "text/lstm/1", 1, "lstm/1")]
    assert str(tmp_path / "text/lstm/1") in out and "uar: 0.5" in out


def test_the_usual_split_is_the_one_nobody_learnt_from(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("split,file\ntrain,a\ntest,b\n")
    assert usual_split(path) == "test"
    path.write_text("split,file\n,a\n")
    assert usual_split(path) == usual_split(tmp_path / "absent") == "all"
