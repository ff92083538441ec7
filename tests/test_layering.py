"""The architecture, as imports: what is pure stays pure, and nothing heavy gets into the controller."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emocx_pbx"

#: Modules that import neither IO nor a framework: clock and randomness come in as arguments.
PURE = (
    "domain.py", "errors.py", "call_ids.py", "sheet.py", "weights/catalogue.py",
    "observe/listeners.py", "pbx/ami/ami.py",
    "pbx/audiosocket/protocol.py", "pbx/tracking/tracker.py", "pbx/tracking/following.py", "pbx/versions.py",
    "check/finding.py",
    "pbx/tracking/bridges.py", "pbx/tracking/changes.py", "pbx/tracking/tracked.py",
    "pbx/tracking/callers.py", "pbx/tracking/callbacks.py", "pbx/tracking/endings.py",
    "pbx/tracking/names.py", "dispatch/asked.py",
    "calls/call_state.py", "calls/effects.py", "calls/rules.py", "calls/happenings.py", "calls/segments.py",
    "calls/observed.py",
    "calls/alerts.py", "calls/alerted.py", "calls/grades.py", "calls/stored.py",
    "audio/segmenter.py", "audio/features.py", "audio/echo.py", "audio/echo_gate.py", "audio/tones.py",
    "audio/repeats.py",
    "analysis/windows.py", "analysis/call_bank.py", "analysis/arrival.py", "analysis/alert_ahead.py",
    "emotion/fusion.py", "emotion/said.py", "analysis/call_words.py",
    "analysis/budget.py", "analysis/correction.py",
    "analysis/cluster/subjects.py", "analysis/cluster/backlog.py",
    "analysis/cluster/presence.py", "analysis/cluster/model_set.py", "analysis/cluster/place.py",
    "audio/recent.py", "audio/voices.py", "audio/segmenters.py", "audio/tone_watches.py",
    "audio/headers.py", "audio/interleaved.py", "audio/survey.py", "audio/width.py", "audio/formats.py",
    "audio/frame_turns.py", "analysis/recorded_warnings.py",
    "audio/segmenter.py", "audio/features.py", "analysis/windows.py", "emotion/fusion.py",
    "emotion/caller.py", "emotion/zero.py", "emotion/lines.py", "emotion/levels.py",
    "routing/policy.py", "routing/decision.py", "routing/ranking.py", "routing/benefit.py",
    "routing/penalties.py", "routing/threshold.py", "routing/preview.py", "routing/levers.py",
    "routing/tiers.py",
    "review/shares.py", "review/agreement.py", "review/windows.py", "review/accuracy.py",
    "review/sampling.py",
    "grading/rubric.py", "grading/grade.py", "grading/segments.py",
    "alerts/rules.py", "alerts/window.py", "alerts/watch.py", "limits.py", "dispatch/numbers.py",
    "dispatch/dialling.py", "chat/tickets.py", "chat/waits.py", "web/seen.py", "settings/names.py",
    "webhooks/signing.py", "webhooks/schedule.py", "webhooks/recovery.py", "webhooks/answer.py",
    "webhooks/networks.py", "settings/receiver_url.py", "settings/delivery.py", "live/calls.py",
    "live/board.py", "live/own.py", "live/held.py", "live/union.py", "service/lease_state.py",
    "web/shown/scale.py", "web/shown/intervals.py", "web/shown/moments.py", "web/shown/timeline.py",
    "web/shown/call.py", "web/shown/agents.py", "web/shown/queues.py", "web/shown/benefit.py",
    "web/shown/receiver_path.py", "web/call_paths.py", "web/shown/accuracy.py", "web/shown/drawings.py",
    "events/json_text.py",
)  # fmt: skip
IMPURE = {
    "asyncio", "socket", "sqlite3", "aiosqlite", "asyncpg", "aiohttp", "panoramisk", "tensorflow", "keras",
    "threading", "subprocess", "multiprocessing", "requests", "urllib.request", "structlog", "logging",
}  # fmt: skip
#: A pure decision can't depend on the hour or on chance that nobody passed in.
HIDDEN_INPUTS = {"time", "secrets", "os"}

#: Folders by height; a folder imports from its own height's folder alone, and from lower ones.
HEIGHTS = (
    {"domain", "errors", "limits", "call_ids"},
    {"settings", "audio", "sheet", "weights", "wire"},
    {"observe", "emotion", "grading"},
    {"alerts"},
    {"routing"},
    {"review"},
    {"events", "pbx"},
    {"store", "analysis"},
    {"webhooks", "dispatch"},
    {"calls"},
    {"deeds"},
    {"live", "chat", "check"},
    {"web"},
    {"service"},
    {"lab", "training"},
    {"demo"},
    {"commands"},
    {"cli"},
)

HEAVY = (
    "tensorflow", "keras", "librosa", "sklearn", "scipy", "numpy",
    "faster_whisper", "ai_edge_litert", "onnx", "onnxruntime",
)  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"), path


def imported(path: Path, *, everywhere: bool = True) -> set[str]:
    """Names of modules that a file imports: anywhere in it, or when it is itself imported."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if typing_only or (not everywhere and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_are_pure(name: str) -> None:
    names = imported(PACKAGE / name)
    assert not {n for n in names if n in IMPURE or n.split(".")[0] in IMPURE}
    assert not names & HIDDEN_INPUTS
    for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
            assert node.attr == "Random", "chance comes in as an argument"


def test_pure_modules_import_nothing_impure_of_ours() -> None:
    code = f"import sys\n{'; '.join('import ' + dotted(name) for name in PURE)}\nprint(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
                 .stdout.split())  # fmt: skip
    assert not loaded & {
        "aiohttp", "panoramisk", "aiosqlite", "asyncpg", "tensorflow", "librosa", "structlog"
    }  # fmt: skip


def dotted(name: str) -> str:
    return "emocx_pbx." + name.removesuffix(".py").replace("/", ".")


def test_folders_import_only_downward() -> None:
    height = {name: i for i, names in enumerate(HEIGHTS) for name in names}
    wrong = []
    for module, path in modules():
        folder = module.split(".")[0] or "__init__"
        if folder in {"__init__", ""}:
            continue
        assert folder in height, f"{folder}: give it its height in this test"
        for name in imported(path):
            if not name.startswith("emocx_pbx."):
                continue
            target = name.removeprefix("emocx_pbx.")
            other = target.split(".")[0]
            if other not in height or other == folder or height[other] < height[folder]:
                continue
            wrong.append(f"{module} imports {target}")
    assert not wrong


def test_the_environment_is_read_in_settings_and_commands_alone() -> None:
    readers = {
        module
        for module, path in modules()
        if any(
            isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }
    free = {"commands", "settings", "cli", "demo", "training"}
    # A worker's threads are set before its libraries load.
    assert {m for m in readers if m.split(".")[0] not in free} <= {"analysis.worker.process"}


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_controller_loads_nothing_heavy() -> None:
    loaded = loaded_by("import emocx_pbx.cli, emocx_pbx.service.run, emocx_pbx.observe.logs")
    assert not loaded & set(HEAVY)


def test_the_command_line_starts_light() -> None:
    loaded = loaded_by("import emocx_pbx.cli\nemocx_pbx.cli.parser()")
    assert not loaded & {*HEAVY, "asyncio", "msgspec", "aiohttp", "structlog", "prometheus_client"}


def test_workers_load_no_training_framework() -> None:
    loaded = loaded_by(
        "import emocx_pbx.analysis.worker.process, emocx_pbx.emotion.speech, emocx_pbx.emotion.text"
    )
    assert not loaded & {"tensorflow", "keras", "librosa", "sklearn", "matplotlib"}


def test_every_file_says_what_lives_in_it_and_stays_readable() -> None:
    for module, path in modules():
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{module}: no docstring"
        assert text.count("\n") <= 400, f"{module}: over 400 lines"
