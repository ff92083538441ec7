"""Models swapped in a running worker, while a call goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
from analysis.analysis_helpers import Asterisk, Inbox, announce_tap

from emocx_pbx.analysis.messages import ReadingMade, Ready, TapEnded
from emocx_pbx.analysis.pool import WorkerPool

Call = tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]


async def test_a_call_goes_on_with_the_new_model(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, tmp_path: Path, uuid: UUID, call: Call
) -> None:
    pool = make_pool(models_dir=str(tmp_path))
    assert await pool.start()
    worker = announce_tap(pool, uuid, "call-1")
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(call[0][:104_000], call[1][:104_000])
    await inbox.until(lambda: inbox.of(ReadingMade))
    (tmp_path / "speech").write_text("2")
    (answer,) = await pool.load_models()
    assert (answer.speech_model, answer.text_model, answer.problems) == ("loud/2", "stub/1", [])
    assert worker.ready is not None and worker.ready.speech_model == "loud/2"
    before = len(inbox.of(ReadingMade))
    await tap.play(call[0][104_000:], call[1][104_000:])
    await tap.hang_up()
    await inbox.until(lambda: inbox.of(TapEnded))
    models = [reading.model for reading in inbox.of(ReadingMade)]
    assert set(models[:before]) == {"loud/1"}
    assert models[before:] and set(models[before:]) == {"loud/2"}
    # No audio was lost over the swap.
    assert inbox.of(TapEnded)[0].missing_s == 0.0


async def test_a_model_that_fails_to_load_leaves_the_old_one(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, tmp_path: Path
) -> None:
    pool = make_pool(models_dir=str(tmp_path), workers=2)
    await pool.start()
    await inbox.until(lambda: len(pool.workers) == 2)
    (tmp_path / "speech").write_text("broken")
    (tmp_path / "text").write_text("3")
    answers = await pool.load_models()
    assert [answer.speech_model for answer in answers] == ["loud/1", "loud/1"]
    assert [answer.text_model for answer in answers] == ["stub/3", "stub/3"]
    assert all("damaged" in answer.problems[0] for answer in answers)
    assert (await pool.classify_text("hello", 5.0)).probabilities is not None


async def test_topics_are_learned_anew(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> None:
    pool = make_pool()
    await pool.start()
    await inbox.until(lambda: [ready for ready in inbox.of(Ready) if ready.transcriber])
    assert (await pool.classify_text("hello", 5.0)).topic == "billing"
    await pool.load_models({"aeroplanes": ["my flight"], "other": ["hello"]})
    assert (await pool.classify_text("hello", 5.0)).topic == "aeroplanes"
    await pool.load_models({})
    assert (await pool.classify_text("hello", 5.0)).topic is None


async def test_a_worker_that_dies_while_loading_is_told(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    pool = make_pool()
    await pool.start()
    (answer,) = await pool.load_models(deadline_s=0.0)
    assert answer.speech_model is None
    assert "no answer from analysis worker 0" in answer.problems[0]
