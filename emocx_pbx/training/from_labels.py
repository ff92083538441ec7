"""Trains a candidate from people's labels and compares it: `python -m emocx_pbx.training.from_labels`.

A process of its own, which the service starts: it reads the request as JSON from standard input, and writes
the outcome as JSON to standard output and its progress to standard error. A failure is the last line there,
with exit status 2. It only reads the database, and puts nothing into use.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from emocx_pbx import sheet
from emocx_pbx.deeds.exports import Speakers
from emocx_pbx.deeds.learning import Request, TrainingOutcome
from emocx_pbx.deeds.recordings import recording_path
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.errors import EmocxError, InputError
from emocx_pbx.review.windows import NAMES, UNCLEAR
from emocx_pbx.store.database import Store
from emocx_pbx.store.review_rows import LabelledWindow
from emocx_pbx.training.compare import beyond_chance, compare

#: Niceness: calls come first on this machine.
NICE: Final = 15
#: Labelled windows or queries below which nothing can be learnt.
LEAST: Final = 40


def agreed(windows: Sequence[LabelledWindow]) -> list[tuple[LabelledWindow, str]]:
    """Windows with the label on which everybody who could tell agreed; the others teach nothing."""
    found = []
    for one in windows:
        words = {label for _, label in one.labelled.labels} - {UNCLEAR}
        if len(words) == 1:
            found.append((one, words.pop()))
    return found


async def learn(request: Request) -> TrainingOutcome:
    """Do it.

    Raises:
        InputError: too few labels, or none can be used.
        ModelError: the model in use can't be trained on.
    """
    store = await Store.open(request.settings.store_place(), reading=True)
    try:
        labelled = agreed(await store.reviews.labelled(request.kind, 0.0))
        if len(labelled) < LEAST:
            raise InputError(f"{len(labelled)} labels that people agree on; at least {LEAST} are needed")
        if request.kind == "text":
            return _learn_text(request, labelled)
        return await _learn_voice(request, store, labelled)
    finally:
        await store.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _learn_text(request: Request, labelled: Sequence[tuple[LabelledWindow, str]]) -> TrainingOutcome:
    from emocx_pbx.emotion.text import load_reader
    from emocx_pbx.training.speech.own_clips import split_of
    from emocx_pbx.training.text.data import LabelledTexts
    from emocx_pbx.training.text.evaluate import served_probabilities
    from emocx_pbx.training.text.train import train_text

    registry, work = Registry(request.settings.models_path()), Path(request.work)
    base = registry.find("text", request.settings.analysis.text_model)
    speakers = Speakers(work)
    rows = []
    for one, label in labelled:
        speaker = speakers.name(one.labelled.caller)
        rows.append((one.text or "", label, split_of(speaker), speaker))
    table = work / "messages.csv"
    table.write_bytes(
        (sheet.BOM + sheet.lines([("text", "label", "split"), *(r[:3] for r in rows)])).encode()
    )
    registry.keep_current("text", base.card.name)
    out = _next(registry, base)
    try:
        train_text(table, out, base=base.card.title, report=_say, models_dir=registry.path)
        held = [row for row in rows if row[2] == "test"]
        truth = np.array([NAMES.index(row[1]) for row in held], np.int64)
        texts = LabelledTexts(tuple(row[0] for row in held), np.eye(len(NAMES), dtype=np.float32)[truth])
        new = f"{base.card.name}/{out.name}"
        old_p, new_p = (
            served_probabilities(load_reader(registry, spec), texts, None)[0]
            for spec in (base.card.title, new)
        )
        comparison = compare(truth, old_p, new_p, [row[3] for row in held])
        return _outcome(base, out, len(rows) - len(held), [row[3] for row in held], comparison)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


async def _learn_voice(
    request: Request, store: Store, labelled: Sequence[tuple[LabelledWindow, str]]
) -> TrainingOutcome:
    from emocx_pbx.emotion.speech import load_speech
    from emocx_pbx.training.speech.data import labels_of, read_clips
    from emocx_pbx.training.speech.evaluate import predict
    from emocx_pbx.training.speech.own_clips import write_clips
    from emocx_pbx.training.speech.train import train_speech

    registry, work = Registry(request.settings.models_path()), Path(request.work)
    base = registry.find("speech", load_speech(registry, request.settings.analysis.speech_model).card.title)
    clips = await _cut(request, store, labelled, Speakers(work))
    if len(clips) < LEAST:
        raise InputError(f"{len(clips)} labelled windows could be cut; at least {LEAST} are needed")
    write_clips(work, "reviews", clips)
    registry.keep_current("speech", base.card.name)
    out = _next(registry, base)
    try:
        made = train_speech(base.card.name, work, registry.path, 1, base.path, _progress)
        held = [clip for clip in read_clips(work / "clips.csv", None, None).clips if clip.split == "test"]
        truth = labels_of(held)
        new = f"{base.card.name}/{made.name}"
        old_p, new_p = (predict(load_speech(registry, spec), held)[0] for spec in (base.card.title, new))
        speakers = [clip.voice for clip in held]
        comparison = compare(truth, old_p, new_p, speakers)
        return _outcome(base, made, len(clips) - len(held), speakers, comparison)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _progress(stage: str, done: int, total: int) -> None:
    if done == total:
        _say(f"{stage}: {total} done")


async def _cut(
    request: Request, store: Store, labelled: Sequence[tuple[LabelledWindow, str]], speakers: Speakers
) -> list[Any]:
    from emocx_pbx.training.speech.own_clips import clips_of_call

    by_call: dict[str, list[tuple[float, float, str]]] = {}
    for one, label in labelled:
        by_call.setdefault(one.key, []).append((one.t0, one.t1, label))
    clips: list[Any] = []
    why: dict[str, int] = {}
    for call_id, stretches in by_call.items():
        detail = await store.call(call_id)
        template, path = request.settings.recordings.path, None
        try:
            if detail is not None:
                path = recording_path(template, call_id, detail.call.started_at)
            if detail is None or path is None:
                raise InputError("no recording")
            speaker = speakers.name(detail.call.customer_key or detail.call.caller or call_id)
            clips += clips_of_call(detail, path, "mixed", sorted(stretches), speaker)
        except InputError as error:
            # Which call it was is not kept: the log outlives an erasure.
            reason = str(error).replace(str(path), "its recording")
            why[reason] = why.get(reason, 0) + 1
    for reason, number in why.items():
        _say(f"left out: {number} calls: {reason}")
    return clips


def _next(registry: Registry, base: ModelFolder) -> Path:
    """Folder of the base's next version."""
    kind, name = base.card.kind, base.card.name
    number = 1 + max(map(int, registry.versions(kind, name)), default=0)
    return registry.path / kind / name / str(number)


def _outcome(
    base: ModelFolder, made: Path, learned: int, speakers: Sequence[str], comparison: dict[str, Any]
) -> TrainingOutcome:
    callers = len(set(speakers))
    better, why = beyond_chance(comparison, callers)
    if not better:
        shutil.rmtree(made, ignore_errors=True)  # it has learnt from customers, and nobody will use it
    model = f"{base.card.name}/{made.name}"
    return TrainingOutcome(model, base.card.title, learned, len(speakers), callers, better, why, comparison)


def _end(number: int, frame: object) -> None:
    sys.exit(2)


def main() -> int:
    """Read the request, answer it; the exit status."""
    os.nice(NICE)
    signal.signal(signal.SIGTERM, _end)  # what it began to write is removed
    answer = os.dup(1)
    os.dup2(2, 1)  # libraries print where they like
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
        outcome = asyncio.run(learn(request))
    except ModuleNotFoundError as error:
        _say(f"{error.name} is not installed: pip install 'emocx-pbx[train]'")
        return 2
    except (EmocxError, OSError) as error:
        _say(" ".join(str(error).split()))
        return 2
    with os.fdopen(answer, "wb") as out:
        out.write(msgspec.json.encode(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
