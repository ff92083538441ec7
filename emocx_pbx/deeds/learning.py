"""Trains a candidate from labels: in a process of its own, with an owner, a deadline, a log and an outcome.

The process cuts clips, trains and compares (`training/from_labels.py`); its candidate is put into use only
here, by the deed `promote`, and only if it is better beyond chance.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from emocx_pbx.deeds.models import SwitchesModels, promote
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError, InputError, ModelError
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.review.windows import Kind
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.review_rows import Runner, TrainingState

log = structlog.get_logger()

#: Seconds for a whole training; a thousand windows take minutes.
DEADLINE_S: Final = 2 * 3600.0
#: Seconds from SIGTERM to SIGKILL.
END_S: Final = 5.0
#: Characters kept of the process's log.
LOG_CHARS: Final = 20_000
#: Longest answer of the process, in bytes.
MOST_ANSWER: Final = 1 << 20
COMMAND: Final = (sys.executable, "-m", "emocx_pbx.training.from_labels")
#: The modules that training imports; one extra installs them.
NEEDED: Final = ("tensorflow", "keras", "librosa", "sklearn", "matplotlib")
FOLDER_OF_KIND: Final[dict[Kind, str]] = {"voice": "speech", "text": "text"}


class Request(msgspec.Struct, frozen=True):
    """The request to the process, on its standard input."""

    settings: Settings
    kind: Kind
    work: str
    """Folder for the training's temporary export."""


class TrainingOutcome(msgspec.Struct, frozen=True):
    """Its answer, on its standard output."""

    model: str
    """`name/version` of the candidate."""
    base: str
    learned: int
    """Number of windows or queries that it learnt from."""
    held_out: int
    """Number of windows or queries, of other callers, that both models were compared on."""
    callers: int
    """Number of those callers."""
    better: bool
    """Whether the candidate is better beyond chance."""
    why: str
    comparison: dict[str, Any]


def hindrance(settings: Settings, kind: Kind) -> str:
    """Why no training can start here, with the remedy; empty: one can."""
    for name in NEEDED:
        if find_spec(name) is None:
            return f"{name} is not installed: pip install 'emocx-pbx[train]'"
    model = settings.analysis.speech_model if kind == "voice" else settings.analysis.text_model
    setting = f"analysis.{FOLDER_OF_KIND[kind]}_model"
    if model == "off" or "/" in model:
        return f"{setting} is {model!r}: training needs a model's name without a version"
    folder = Registry(settings.models_path()).path / FOLDER_OF_KIND[kind]
    if not os.access(folder, os.W_OK):
        return f"{folder} can't be written: copy the models, and set analysis.models_dir (docs/own-data.md)"
    return ""


@dataclass(frozen=True, slots=True)
class TrainingProcess:
    """The process that trains."""

    command: tuple[str, ...] = COMMAND
    deadline_s: float = DEADLINE_S
    """Seconds for a training."""


class Learning:
    """One per service, or per command."""

    def __init__(
        self,
        store: Store,
        in_force: SettingsInForce,
        tasks: Tasks,
        runner: Runner,
        now: Callable[[], float] = time.time,
        process: TrainingProcess = TrainingProcess(),
        hindered: Callable[[Settings, Kind], str] = hindrance,
        spread: SwitchesModels | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: where labels and the notes about trainings are kept.
            in_force: gives the settings in force when a training starts.
            tasks: owns the training.
            runner: what runs the trainings: the service or a command.
            now: Unix seconds.
            process: its command line, and how long it may take.
            hindered: says why no training can start; empty: one can.
            spread: spreads a promoted model to the hosts of a cluster; None: there is only this host.
        """
        self._spread = spread
        self._store, self._in_force, self._tasks, self._runner = store, in_force, tasks, runner
        self._now, self._hindered = now, hindered
        self._command, self._deadline_s = process.command, process.deadline_s
        self._task: asyncio.Task[TrainingState] | None = None
        self.promoted: Listeners[[]] = Listeners()
        """Listeners are called when a candidate is in use, so that workers load it."""

    async def start(self, kind: Kind, promoting: bool, by: Actor) -> tuple[int, asyncio.Task[TrainingState]]:
        """Start a training in the background; returns its number and its task.

        Args:
            kind: voice or text.
            promoting: if False, a better candidate is kept, but not put into use.
            by: who asks for it.

        Raises:
            InputError: it can't start, with the remedy; or another one is running.
        """
        if why := await asyncio.to_thread(self._hindered, self._in_force.settings, kind):
            raise InputError(why)
        training_id = await self._store.reviews.begin_training(kind, self._runner, self._deadline_s, by)
        work = self._run(training_id, kind, promoting, by)
        self._task = self._tasks.create_task(work, name=f"training {training_id}")
        return training_id, self._task

    async def _run(self, training_id: int, kind: Kind, promoting: bool, by: Actor) -> TrainingState:
        """Train, compare, put the candidate into use if it is better beyond chance, and note the outcome."""
        said = _Tail()
        state: TrainingState = "failed"
        outcome: dict[str, Any] | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                found = await self._trained(kind, said)
            outcome = msgspec.to_builtins(found)
            state = "promoted" if found.better and promoting else "kept"
            if state == "promoted":
                await self._promote(found, kind, by)
        except TimeoutError:
            state, outcome = "late", {"why": f"not done within {self._deadline_s / 60:.0f} minutes"}
        except (EmocxError, OSError) as error:
            state, outcome = "failed", {**(outcome or {}), "why": " ".join(str(error).split())}
        except asyncio.CancelledError as error:
            state, outcome = "stopped", {"why": str(error) or "the service ended"}
            raise
        finally:
            ending = self._store.reviews.end_training(training_id, state, outcome, said.text, by)
            await asyncio.shield(ending)
            log.info("training finished", key="review.training", training=training_id, state=state)
        return state

    async def stop(self, by: Actor) -> bool:
        """End the running training; returns whether there was one."""
        task = self._task
        if task is None or task.done():
            return False
        await self._store.audit.add(by, "review.training_stopped", task.get_name())
        task.cancel(f"stopped by {by.name}")
        return True

    async def _trained(self, kind: Kind, said: _Tail) -> TrainingOutcome:
        settings = self._in_force.settings
        work = settings.store_path().parent / "reviews"
        work.mkdir(mode=0o700, exist_ok=True)
        # First, so that an erasure finds whatever is written from now on.
        await self._store.erasure.add_export(str(work.resolve()))
        request = msgspec.json.encode(Request(settings, kind, str(work)))
        try:
            return await self._asked(request, said)
        finally:
            await asyncio.to_thread(_forget, work)

    async def _asked(self, request: bytes, said: _Tail) -> TrainingOutcome:
        process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert process.stdin and process.stdout and process.stderr
        try:
            process.stdin.write(request)
            process.stdin.close()
            answer, _ = await asyncio.gather(_all_of(process.stdout), said.take(process.stderr))
            status = await process.wait()
        finally:
            await _ended(process)
        if status:
            raise ModelError(said.last or f"the training ended with status {status}")
        try:
            return msgspec.json.decode(answer, type=TrainingOutcome)
        except msgspec.MsgspecError as error:
            raise ModelError(f"the training answered nonsense: {error}") from None

    async def _promote(self, found: TrainingOutcome, kind: Kind, by: Actor) -> None:
        registry = Registry(self._in_force.settings.models_path())
        name, _, version = found.model.partition("/")
        await promote(
            registry, self._store.audit, FOLDER_OF_KIND[kind], name, version, found.why, self._now(), by,
            found.comparison, self._spread,
        )  # fmt: skip
        self.promoted.tell()


class _Tail:
    """Keeps the end of a process's output."""

    def __init__(self) -> None:
        self.text = ""

    async def take(self, stream: asyncio.StreamReader) -> None:
        """Read it to its end."""
        while piece := await stream.read(1 << 16):
            self.text = (self.text + piece.decode(errors="replace"))[-LOG_CHARS:]

    @property
    def last(self) -> str:
        """The last line of the output."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


async def _all_of(stream: asyncio.StreamReader) -> bytes:
    """The answer of a process; anything beyond MOST_ANSWER is read and discarded."""
    found = b""
    while piece := await stream.read(1 << 16):
        found = (found + piece)[: MOST_ANSWER + 1]
    return found


async def _ended(process: Process) -> None:
    """The process is not left behind, whatever happens."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()


def _forget(work: Path) -> None:
    """Remove what was exported for the training; the key stays, so that callers keep their split."""
    shutil.rmtree(work / "audio", ignore_errors=True)
    for name in ("clips.csv", "clips.new", "messages.csv"):
        (work / name).unlink(missing_ok=True)
