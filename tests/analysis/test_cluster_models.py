"""Models of a cluster, over a real NATS server and with real workers: taken by all, switched in one step."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import nats
import pytest
from analysis.promoting import BY, in_use, models, promoted, spreading
from wire.nats_helpers import Box

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import Beat
from emocx_pbx.analysis.cluster.model_folder import package_of
from emocx_pbx.analysis.cluster.model_set import (
    MOST_FILE,
    PART,
    ModelFile,
    ModelPackage,
    ModelSet,
)
from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.model_taker import ModelTaker, NoLoads
from emocx_pbx.analysis.messages import Ready
from emocx_pbx.deeds.models import rollback
from emocx_pbx.emotion.card import checksum
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError, ModelError, RefusedError
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.message import BadMessage

# Workers load a real model, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(240)

SUM = "0" * 64
MadeWorker = Callable[..., Awaitable[NodeProcess]]


@pytest.fixture
def worker(server: PrivateNats, tmp_path: Path, closing: AsyncExitStack) -> MadeWorker:
    async def make(name: str) -> NodeProcess:
        (tmp_path / name).mkdir()
        if not (tmp_path / f"{name}-models").exists():
            models(tmp_path / f"{name}-models")
        analysis = {
            "speech_model": "mlp", "light_model": "off", "text_model": "off", "transcriber": "off",
            "base_port": 0, "models_dir": str(tmp_path / f"{name}-models"),
        }  # fmt: skip
        settings: dict[str, dict[str, object]] = {
            "cluster": {"nats": server.url, "node": name},
            "analysis": analysis,
        }
        process = NodeProcess(tmp_path / name, ("worker",), settings)
        return await closing.enter_async_context(process)

    return make


class Beats(Box):
    """Workers' signs of life."""

    @property
    def latest(self) -> dict[str, Beat]:
        return {beat.worker: beat for beat in self.found}

    async def use(self, model: str, *workers: str) -> None:
        """Until these use this model, and take calls."""

        def all_of_them() -> bool:
            used = {w: b.ready.speech_model for w, b in self.latest.items() if not b.behind}
            return all(used.get(name) == model for name in workers)

        async with asyncio.timeout(120):
            while not all_of_them():
                await asyncio.wait_for(self.news(), 120)

    async def news(self) -> None:
        number = len(self.found)
        await self.until(lambda: len(self.found) > number)


@pytest.fixture
async def beats(bus: Bus) -> Beats:
    beats = Beats()
    await bus.hear(subjects.BEATS, msgspec.msgpack.Decoder(Beat), beats)
    return beats


async def test_all_workers_take_a_version_and_switch_and_so_does_one_that_joins(
    bus: Bus, beats: Beats, worker: MadeWorker, tmp_path: Path, server: PrivateNats
) -> None:
    here = models(tmp_path / "here", "4")
    for name in ("w1", "w2"):
        await worker(name)
    await beats.use("mlp/3", "w1-0", "w2-0")
    config = tmp_path / "c.toml"
    sections = {
        "cluster": {"nats": server.url}, "analysis": {"models_dir": str(here)},
        "store": {"path": f"{here}.db"},
    }  # fmt: skip
    config.write_text(
        "".join(
            f"[{section}]\n{key} = {json.dumps(value)}\n"
            for section, values in sections.items()
            for key, value in values.items()
        )
    )
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emocx_pbx.cli", "models", "promote", "mlp/4", "--anyway", "as a test"),
        *("--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await command.communicate()
    assert command.returncode == 0
    assert b"mlp/4 is in use instead of mlp/3; all hosts of the cluster switched" in said
    await beats.use("mlp/4", "w1-0", "w2-0")
    assert {beat.models for beat in beats.latest.values()} == {1}
    (step,) = Registry(tmp_path / "w1-models").steps("speech", "mlp")
    assert (step["from"], step["to"], step["why"]) == ("3", "4", "as a test")
    await worker("w3")
    await beats.use("mlp/4", "w3-0")
    assert not [b for b in beats.found if b.worker == "w3-0" and b.ready.speech_model != "mlp/4"]
    switched = await rollback(Registry(here), None, "speech", "mlp", 6.0, BY, spreading(bus))
    assert (switched.before, switched.after, switched.late) == ("4", "3", ())
    await beats.use("mlp/3", "w1-0", "w2-0", "w3-0")


async def test_where_one_worker_cannot_take_it_nobody_switches(
    bus: Bus, beats: Beats, worker: MadeWorker, tmp_path: Path
) -> None:
    registry = Registry(models(tmp_path / "here", "4"))
    await worker("w1")
    (models(tmp_path / "w2-models") / ".taking").mkdir()  # nothing can be put in its place
    await worker("w2")
    await beats.use("mlp/3", "w1-0", "w2-0")
    with pytest.raises(RefusedError, match=r"nothing was switched: w2-0: .*can't be written"):
        await promoted(registry, spreading(bus))
    assert registry.current("speech", "mlp") == "3" and await in_use(bus) == 0
    await beats.use("mlp/3", "w1-0", "w2-0")


async def test_a_worker_that_is_late_takes_no_calls_until_it_has_it(
    server: PrivateNats, bus: Bus, beats: Beats, worker: MadeWorker, tmp_path: Path
) -> None:
    registry = Registry(models(tmp_path / "here", "4"))
    await worker("w1")
    await beats.use("mlp/3", "w1-0")
    ready = Ready(1, "mlp/3", None, None)
    old = Beat("old-0", "old", "old", "", "127.0.0.1:1", "0", {}, ready)
    pace = await nats.connect(server.url)

    async def live() -> None:
        while True:
            await bus.tell(subjects.beat("old"), old)
            await pace.flush()  # as often as the server answers

    living = asyncio.create_task(live())
    try:
        # The real one is late as well, or not: it says so itself.
        switched = await promoted(registry, spreading(bus, prepare_s=0.6))
        assert "old-0" in switched.late
        await beats.use("mlp/4", "w1-0")
    finally:
        living.cancel()
        await pace.close()


async def test_of_two_promotions_at_once_one_is_refused(bus: Bus, tmp_path: Path) -> None:
    first, second = (Registry(models(tmp_path / name, "4")) for name in ("a", "b"))
    outcomes = await asyncio.gather(
        promoted(first, spreading(bus)), promoted(second, spreading(bus)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, EmocxError)] == [RefusedError]
    assert sorted(r.current("speech", "mlp") for r in (first, second)) == ["3", "4"]
    assert await in_use(bus) == 1


async def taking(bus: Bus, folder: Path) -> ModelTaker:
    taker = ModelTaker(bus, ModelShelf(bus), Registry(folder), "w-0", "w", NoLoads(), clock=time.monotonic)
    await taker.start()
    return taker


async def offered(bus: Bus, tmp_path: Path) -> ModelPackage:
    """mlp/4 is kept and in use in the cluster, but for what is done to its parts."""
    registry = Registry(models(tmp_path / "here", "4"))
    package = package_of(registry, "speech", "mlp", "4", {})
    shelf = ModelShelf(bus)
    await shelf.put_files(package, registry.path / "speech" / "mlp" / "4")
    await shelf.put_in_use(ModelSet(1, (package,)), 0)
    return package


async def test_what_is_not_what_its_checksum_says_is_not_taken(bus: Bus, tmp_path: Path) -> None:
    package = await offered(bus, tmp_path)
    (model,) = [file for file in package.files if file.name == "model.tflite"]
    await bus.stream.publish(subjects.model_part(model.sha256, 0), bytes(PART))
    folder = models(tmp_path / "there")
    taker = await taking(bus, folder)
    assert "by its checksum" in taker.behind and Registry(folder).versions("speech", "mlp") == ["3"]
    assert Registry(folder).current("speech", "mlp") == "3"


async def test_more_than_was_said_is_not_taken(bus: Bus, tmp_path: Path) -> None:
    package = await offered(bus, tmp_path)
    (card,) = [file for file in package.files if file.name == "card.json"]
    await bus.stream.publish(subjects.model_part(card.sha256, 0), bytes(card.size + 1))
    taker = await taking(bus, models(tmp_path / "there"))
    assert "longer than was said" in taker.behind


async def test_another_version_of_that_number_made_here_is_kept_beside(bus: Bus, tmp_path: Path) -> None:
    await offered(bus, tmp_path)
    folder = models(tmp_path / "there", "4")
    mine = folder / "speech" / "mlp" / "4" / "card.json"
    mine.write_text(mine.read_text() + "\n")
    taker = await taking(bus, folder)
    assert (taker.behind, taker.number) == ("", 1)
    registry = Registry(folder)
    assert registry.current("speech", "mlp") == "4" and registry.find("speech", "mlp")
    assert len(list((folder / "speech" / "mlp").glob(".4-*/card.json"))) == 1


async def test_a_taker_without_nats_is_behind_until_it_has_asked(
    server: PrivateNats, closing: AsyncExitStack, tmp_path: Path
) -> None:
    server.stop()
    bus = Bus(BusLogin((server.url,)))
    closing.push_async_callback(bus.close)
    assert not await bus.start(0.05)
    changes = Box()
    folder = models(tmp_path / "there")
    taker = ModelTaker(
        bus, ModelShelf(bus), Registry(folder), "w-0", "w", NoLoads(), lambda: changes(taker.behind)
    )
    await taker.start()
    assert "not asked yet" in taker.behind
    running = asyncio.create_task(taker.run())
    server.start()
    await changes.until(lambda: changes.found and changes.found[-1] == "")
    running.cancel()


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("../current", 1),
        ("a/b", 1),
        (".x", 1),
        ("", 1),
        ("model.tflite", MOST_FILE + 1),
        ("model.tflite", -1),
    ],
)
def test_no_other_files_are_named(file: str, size: int) -> None:
    with pytest.raises(BadMessage):
        ModelFile(file, SUM, size)


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [("speech", "..", "1"), ("encoder", "base", "1"), ("speech", "mlp", "../3"), ("speech", "a/b", "1")],
)
def test_no_other_places_are_named(kind: str, name: str, version: str) -> None:
    with pytest.raises(BadMessage):
        ModelPackage(kind, name, version, (ModelFile("card.json", SUM, 1),))


def test_a_package_has_a_card_each_file_once_and_a_bound() -> None:
    card, large = ModelFile("card.json", SUM, 1), ModelFile("m", SUM, MOST_FILE)
    for files in ((), (large,), (card, card), (card, large, ModelFile("n", SUM, MOST_FILE))):
        with pytest.raises(BadMessage):
            ModelPackage("speech", "mlp", "4", files)


def test_a_model_too_large_to_send_is_told_before_anything_is_done(tmp_path: Path) -> None:
    folder = models(tmp_path / "here")
    with (folder / "speech" / "mlp" / "3" / "model.tflite").open("r+b") as model:
        model.truncate(MOST_FILE + 1)  # sparse
    card = folder / "speech" / "mlp" / "3" / "card.json"
    sums = {"model.tflite": checksum(card.with_name("model.tflite"))}
    card.write_text(json.dumps({**json.loads(card.read_text()), "sha256": sums}))
    with pytest.raises(ModelError, match=r"can't be sent: .* at most"):
        package_of(Registry(folder), "speech", "mlp", "3", {})
