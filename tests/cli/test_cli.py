"""The command line as a user meets it: help, settings, one-line errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli.shell import Shell

from emocx_pbx import cli
from emocx_pbx.commands.shared import Progress, mm_ss, moment, table
from emocx_pbx.errors import EmocxError, PeerUnavailable

COMMANDS = (
    "serve", "check", "demo", "analyse", "route", "train", "evaluate", "webhooks", "calls", "grades", "erase",
    "init", "models", "benefit", "penalties", "users", "export", "correct", "backup", "restore",
)  # fmt: skip


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
