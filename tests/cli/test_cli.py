"""The command line as a user meets it: results, one-line errors, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from emocx_pbx import cli
from emocx_pbx.commands.evaluate import usual_split
from emocx_pbx.commands.shared import Progress, mm_ss, moment, table
from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment
from emocx_pbx.emotion.card import Card
from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.events.build import call_graded
from emocx_pbx.settings.settings import WebhookSettings, load
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


COMMANDS = (
    "serve", "check", "demo", "analyse", "route", "train", "evaluate", "webhooks", "calls", "grades", "erase",
    "init", "models", "benefit", "penalties", "users", "export", "correct", "backup", "restore",
)  # fmt: skip


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


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [name for name in os.environ if name.startswith("EMOCX_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "emocx.toml"
    config.write_text(CONFIG)
    return Shell(config, capsys)


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


@pytest.fixture
def filled(shell: Shell) -> Shell:
    asyncio.run(fill(shell.config))
    return shell


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert [name for name in COMMANDS if f"\n    {name}" not in out] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "emocx-pbx: a command is missing (see emocx-pbx --help)"),
        (["fly"], "emocx-pbx: argument COMMAND: invalid choice: 'fly'"),
        (["calls"], "emocx-pbx calls: the following arguments are required: COMMAND"),
        (["calls", "list", "--since", "yesterday"], "emocx-pbx calls list: argument --since: expected"),
        (["route"], "emocx-pbx route: the following arguments are required: text"),
        (["evaluate", "smell"], "emocx-pbx evaluate: argument speech|text: invalid choice: 'smell'"),
    ],
)  # fmt: skip
def test_bad_usage(words: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith(message) and err.count("\n") == 1


def test_wrong_settings_stop_every_command(shell: Shell) -> None:
    shell.config.write_text("[store]\npaht = 1\n")
    for words in (["calls", "list"], ["check"], ["serve"], ["route", "hello"], ["models", "list"]):
        assert shell.refusal(*words).endswith("store.paht: unknown setting; did you mean path?")


def test_no_database_is_not_made_by_looking(shell: Shell) -> None:
    assert "no such database" in shell.refusal("calls", "list")
    assert not (shell.config.parent / "calls.db").exists()


def test_calls(filled: Shell) -> None:
    out, _ = filled("calls", "list")
    assert "c1" in out and "care" in out and "answered" in out
    out, _ = filled("calls", "list", "--since", "1h")
    assert out.strip() == "no calls"
    out, _ = filled("calls", "list", "--json")
    assert [call["call_id"] for call in json.loads(out)["calls"]] == ["c1"]


def test_a_call_tells_its_course_and_its_grade(filled: Shell) -> None:
    out, _ = filled("calls", "show", "c1")
    assert "because" in out
    assert "0:01-0:05" in out and "1:06-1:10" in out and "angry" in out
    assert "grade: 62 (C), range 51 to 70, 21.4 s of customer speech" in out
    assert "alert angry at 1:06, over " in out and "(ended): Signals of anger." in out
    assert " +50.0  base: where everybody begins" in out
    assert json.loads(filled("calls", "show", "c1", "--json")[0])["call"]["customer_key"] == "cust-7"
    assert filled.refusal("calls", "show", "c9") == "emocx-pbx: no call c9 in the database"


def test_grades(filled: Shell) -> None:
    out, _ = filled("grades", "list", "--agent", "Anna")
    assert "Anna" in out and "62" in out and "automatic" in out
    assert filled("grades", "list", "--agent", "Bert")[0].strip() == "no grades"
    assert "no grade of call c9" in filled.refusal("grades", "show", "c9")


def test_an_override_is_appended_and_told(filled: Shell) -> None:
    words = ("c1", "--author", "Eve", "--reason", "the line was bad")
    out, _ = filled("grades", "override", *words, "--score", "80")
    assert out.strip() == "revision 1 of segment 0 appended: 80"
    filled("grades", "dispute", *words)
    out, _ = filled("grades", "show", "c1")
    assert out.index("grade: 62") < out.index("grade: 80")
    assert "revision 1 (override) by Eve: the line was bad" in out
    assert "revision 2 (dispute) by Eve" in out
    deliveries = json.loads(filled("webhooks", "list", "--json")[0])["deliveries"]
    assert sorted(d["type"] for d in deliveries) == ["call.graded", "grade.revised", "grade.revised"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--score", "101"], "A score is a number from 0 to 100, not 101"),
        (["--score", "nan"], "A score is a number from 0 to 100, not nan"),
        (["--score", "50", "--segment", "3"], "no grade of segment 3 of call c1"),
        (["--score", "50", "--reason", "x" * 501], "A reason has at most 500 characters"),
        (["--score", "50", "--reason", " "], "A reason is needed"),
    ],
)
def test_wrong_overrides(filled: Shell, words: list[str], message: str) -> None:
    given = ["grades", "override", "c1", "--author", "Eve", "--reason", "r", *words]
    assert message in filled.refusal(*given)


def test_webhooks(filled: Shell) -> None:
    out, _ = filled("webhooks", "list")
    assert "call.graded" in out and "pending" in out
    assert filled("webhooks", "list", "--state", "failed")[0].strip() == "no deliveries"
    out, _ = filled("webhooks", "replay", "--call", "c1")
    assert out.strip() == "1 deliveries will be sent by the running service"
    _, err = filled("webhooks", "replay", "--call", "c9")
    assert err.splitlines()[1:] == ["emocx-pbx: nothing matched"]
    assert "say which" in filled.refusal("webhooks", "replay")
    assert "no receiver erp; there are: crm" in filled.refusal(
        "webhooks", "replay", "--all", "--receiver", "erp"
    )


def test_a_receiver_is_tried(filled: Shell) -> None:
    """The example's receiver does not exist: what is known of why is said, and nothing is owed by it."""
    assert filled.refusal("webhooks", "test", "erp").endswith("no receiver erp; there are: crm")
    out, _ = filled("webhooks", "test", "crm", "--json", code=1)
    observed = json.loads(out)
    assert (observed["name"], observed["taken"], observed["disabled"]) == ("crm", False, None) and observed[
        "outcome"
    ]["error"]
    out, _ = filled("webhooks", "test", "crm", code=1)
    assert out.startswith("crm did not take it: ")


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


def test_erase(filled: Shell) -> None:
    assert "say whom" in filled.refusal("erase")
    refusal = filled.refusal("erase", "--customer", "cust-7")
    assert "1 calls" in refusal and "for good? Say --yes" in refusal
    would, _ = filled("erase", "--customer", "cust-7", "--dry-run")
    assert would.startswith("would erase: ") and "no calls" not in filled("calls", "list")[0]
    out, _ = filled("erase", "--customer", "cust-7", "--yes")
    assert out.removeprefix("erased: ") == would.removeprefix("would erase: ")
    assert filled("calls", "list")[0].strip() == "no calls"
    assert filled("erase", "--customer", "cust-7", "--dry-run")[0].strip() == "nothing was found"
    assert filled("erase", "--customer", "cust-7")[0].strip() == "nothing was found"


def test_init_writes_once_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "made" / "etc"
    assert cli.main(["init", str(directory)]) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    private = 0o640 if _group_exists() else 0o600
    assert modes == {"emocx.toml": private, "policy.toml": private, "manager-emocx.conf": 0o640}
    settings = load(directory / "emocx.toml", {})
    assert settings.store_path() == directory / "emocx.db"
    assert settings.policy_path() == directory / "policy.toml"
    before = [path.read_text() for path in sorted(directory.iterdir())]
    assert cli.main(["init", str(directory)]) == 2
    assert "emocx.toml: exists already; nothing was written" in capsys.readouterr().err
    assert [path.read_text() for path in sorted(directory.iterdir())] == before


def _group_exists() -> bool:
    import grp

    return os.geteuid() == 0 and any(group.gr_name == "emocx" for group in grp.getgrall())


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_init_by_root_lets_the_service_save_its_policy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A user and group that every Linux has.
    monkeypatch.setattr("emocx_pbx.commands.init.SERVICE", "daemon")
    assert cli.main(["init", str(tmp_path / "etc")]) == 0
    found = {
        path.name: (path.owner(), path.group(), stat.S_IMODE(path.stat().st_mode))
        for path in (tmp_path / "etc", *(tmp_path / "etc").iterdir())
    }
    assert found == {
        "etc": ("root", "daemon", 0o1770),
        "emocx.toml": ("root", "daemon", 0o640),
        "policy.toml": ("daemon", "daemon", 0o640),
        "manager-emocx.conf": ("root", "daemon", 0o640),
    }
    assert " && runuser -u daemon -- " in capsys.readouterr().err


def test_init_leaves_all_or_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manager-emocx.conf").write_text("mine")
    assert cli.main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["manager-emocx.conf"]
    assert cli.main(["init", str(tmp_path / "new.toml")]) == 2
    assert "new.toml: expected a directory" in capsys.readouterr().err


def test_each_init_has_secrets_of_its_own(tmp_path: Path) -> None:
    found = set()
    for name in ("a", "b"):
        cli.main(["init", str(tmp_path / name)])
        settings = load(tmp_path / name / "emocx.toml", {})
        found |= {settings.asterisk.secret, settings.http.api_token}
        assert (
            f"\nsecret = {settings.asterisk.secret}\n" in (tmp_path / name / "manager-emocx.conf").read_text()
        )
    assert len(found) == 4 and min(map(len, found)) >= 32 and not settings.http.open_to_this_machine


def test_the_suggested_secret_is_a_right_one(tmp_path: Path) -> None:
    cli.main(["init", str(tmp_path)])
    text = (tmp_path / "emocx.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith('#secret = "whsec_'))
    secret = json.loads(line.partition(" = ")[2])
    used = tmp_path / "used.toml"
    used.write_text(f'[[webhooks]]\nname = "a"\nurl = "https://a.example"\nsecret = "{secret}"\n')
    assert load(used, {}).webhooks == (WebhookSettings(name="a", url="https://a.example", secret=secret),)


def test_the_settings_file_is_told_whoever_named_it_and_never_on_stdout(filled: Shell) -> None:
    said = f"emocx-pbx: settings read from {filled.config}\n"
    for words in (["calls", "list"], ["grades", "list"], ["users", "list"], ["webhooks", "list"]):
        out, err = filled(*words, "--json")
        assert err == said
        json.loads(out)


def test_a_settings_file_that_nobody_named_is_named(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.config.parent)
    shell.config.write_text('[analysis]\nmodels_dir = "models"\n')
    assert cli.main(["models", "list", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == f"emocx-pbx: settings read from {shell.config}\n"
    assert json.loads(out)["models"] == []
    shell.config.rename(shell.config.with_name("other.toml"))
    monkeypatch.setenv("EMOCX_CONFIG", "other.toml")
    assert cli.main(["models", "list"]) == 0
    assert f"settings read from {shell.config.with_name('other.toml')}" in capsys.readouterr().err
    monkeypatch.delenv("EMOCX_CONFIG")
    monkeypatch.setattr("emocx_pbx.commands.shared.USUAL_FILES", (Path("emocx.toml"),))
    assert cli.main(["models", "list"]) == 0
    assert "no settings file: defaults (looked for emocx.toml)" in capsys.readouterr().err


def test_models_of_an_empty_folder(shell: Shell) -> None:
    shell.config.write_text('[analysis]\nmodels_dir = "models"\n')
    assert "no models in" in shell("models", "list")[0]
    assert json.loads(shell("models", "list", "--json")[0])["models"] == []


def test_check_reports_and_exits_1(shell: Shell) -> None:
    shell.config.write_text('[asterisk]\nport = 1\n[analysis]\nspeech_model = "off"\ntext_model = "off"\n')
    out, err = shell("check", code=1)
    assert "FAIL  asterisk: no login at 127.0.0.1:1" in out and "-> is Asterisk running" in out
    assert "Traceback" not in err
    report = json.loads(shell("check", "--json", code=1)[0])
    assert report["ok"] is False and {"level", "topic", "what", "remedy"} == set(report["findings"][0])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PeerUnavailable("two\nlines"), "emocx-pbx: two lines\n"),
        (OSError(98, "Address in use"), "emocx-pbx: [Errno 98] Address in use\n"),
        (ExceptionGroup("g", [ExceptionGroup("h", [EmocxError("deep")])]), "emocx-pbx: deep\n"),
    ],
)
def test_known_errors_are_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def raising(*_: object) -> None:
        raise error

    monkeypatch.setattr("emocx_pbx.commands.models.read_settings", raising)
    assert shell("models", "list", code=2) == ("", line)


def test_bugs_are_not_hidden(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object) -> None:
        raise ExceptionGroup("g", [ZeroDivisionError()])

    monkeypatch.setattr("emocx_pbx.commands.models.read_settings", raising)
    with pytest.raises(ExceptionGroup):
        cli.main(["models", "list"])


def test_a_closed_pipe_is_no_error(shell: Shell) -> None:
    command = [sys.executable, "-m", "emocx_pbx.cli", "init", "--table"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_moments_and_mm_ss() -> None:
    assert moment("1970-01-02T00:00:00+00:00") == 86400
    assert mm_ss(75.2) == "1:15"
    assert table(("a", "b"), [(1, None), ("long", 2)], "") == "a     b\n1     -\nlong  2"


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("reading")
    progress(0.5)
    progress.close()
    assert capsys.readouterr().err == ""


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
    readings = json.loads(shell("analyse", str(SPEECH), "--words", "all", "--json")[0])["readings"]
    both = [r for r in readings if r["evidence"] == "both"]
    assert both and all(r["probabilities"]["neutral"] != 0.7 for r in both)
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


def test_recompute_shows_first_and_spares_peoples_word(filled: Shell) -> None:
    words = ("grades", "recompute", "--json")
    shown = json.loads(filled(*words, "--dry-run")[0])
    # Two readings of 3.5 s are under the rubric's least evidence: the made-up 62 can't stand.
    assert [(c["before"], c["after"]) for c in shown["changes"]] == [(62.0, None)]
    assert json.loads(filled("grades", "list", "--json")[0])["grades"][0]["row"]["revision"] == 0
    assert json.loads(filled(*words)[0])["changes"] == shown["changes"]
    assert json.loads(filled(*words)[0])["changes"] == []
    out, _ = filled("grades", "show", "c1")
    assert "revision 1 (recomputed) by emocx-pbx: recomputed by rubric v1" in out
    filled("grades", "override", "c1", "--author", "Eve", "--reason", "r", "--score", "10")
    out, _ = filled("grades", "recompute")
    assert "0 of 1 grades changed; 1 that people revised were left" in out


def test_benefit_says_when_it_cannot_tell(filled: Shell) -> None:
    out, _ = filled("benefit")
    assert "Nothing can be told yet" in out and "There is no holdout" in out
    result = json.loads(filled("benefit", "--json")[0])
    grade = result["comparisons"][0]
    assert result["calls"] == 1 and grade["routed"] == 62 and grade["verdict"] == "can't tell yet"
    assert [c["routed"] for c in result["comparisons"][1:]] == [0.0, 1.0, 49.0]


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
