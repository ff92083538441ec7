"""Puts a version of a model into use in a whole cluster, in one step: all have it first, then all switch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import Beat
from emocx_pbx.analysis.cluster.model_folder import package_of
from emocx_pbx.analysis.cluster.model_set import NOTHING, ModelPackage, ModelProgress
from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.presence import LOST_S
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.wire.bus import Bus

log = structlog.get_logger()

#: For all workers to take and load a version; those that did not by then take no calls until they did.
PREPARE_S: Final = 120.0
#: Every worker's next sign of life comes within.
LISTEN_S: Final = 1.5
LOOK_S: Final = 0.1

_BEAT: Final = msgspec.msgpack.Decoder(Beat)
_TAKEN: Final = msgspec.msgpack.Decoder(ModelProgress)


class Spreading:
    """Carries out promotions and rollbacks, one after another; one per process."""

    def __init__(
        self,
        bus: Bus,
        shelf: ModelShelf,
        prepare_s: float = PREPARE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            bus: the connection, which is up or not.
            shelf: what the cluster keeps.
            prepare_s: time for all workers to have what is to come.
            clock: monotonic seconds.
        """
        self._bus, self._shelf, self._prepare_s, self._clock = bus, shelf, prepare_s, clock
        self._busy = asyncio.Lock()
        self._before, self._after, self._new = NOTHING, 0, NOTHING

    async def prepare(
        self, registry: Registry, kind: str, name: str, version: str, note: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Have every worker and controller take a version and load it beside the one in use.

        Returns the names of workers that have not after `prepare_s`: they take no calls until they have.

        Raises:
            ModelError: the version is damaged, or too large.
            RefusedError: one said that it can't take it; or another promotion goes on.
            PeerUnavailable: NATS is unreachable.
        """
        if self._busy.locked():
            raise RefusedError("another promotion goes on")
        async with self._busy:
            package = await asyncio.to_thread(package_of, registry, kind, name, version, note)
            await self._shelf_is_there()
            self._before, self._after = await self._shelf.in_use()
            self._new = self._before.with_package(package)
            try:
                await self._shelf.put_files(package, registry.path / kind / name / version)
                return await self._all_have_it()
            except BaseException:
                await self._tidy([package], self._before.packages)
                raise

    async def _shelf_is_there(self) -> None:
        if not self._bus.up:
            raise PeerUnavailable("no connection to NATS: the cluster's workers can't take the model now")

    async def _all_have_it(self) -> tuple[str, ...]:
        beats: dict[str, tuple[Beat, float]] = {}
        taken: dict[str, tuple[ModelProgress, float]] = {}

        def on_beat(beat: Beat) -> None:
            beats[beat.life] = beat, self._clock()

        def on_taken(one: ModelProgress) -> None:
            if one.digest == self._new.digest:
                taken[one.life] = one, self._clock()

        hearing = [
            await self._bus.hear(subjects.BEATS, _BEAT, on_beat),
            await self._bus.hear(subjects.MODELS_TAKEN, _TAKEN, on_taken),
        ]
        try:
            await self._shelf.offer(self._new)
            began = self._clock()
            while True:
                await asyncio.sleep(LOOK_S)
                at_look = self._clock()
                if failed := [one for one, _ in taken.values() if one.state == "failed"]:
                    whys = "; ".join(f"{one.who}: {one.why}" for one in failed)
                    raise RefusedError(f"not every host can take it, so that nothing was switched: {whys}")
                there = {
                    life: beat.worker
                    for life, (beat, at) in beats.items()
                    if at_look - at <= LOST_S and not beat.draining
                } | {life: one.who for life, (one, at) in taken.items() if at_look - at <= LOST_S}
                ready = {life for life, (one, _) in taken.items() if one.state == "ready"}
                late = tuple(sorted({who for life, who in there.items() if life not in ready}))
                if at_look - began >= (LISTEN_S if not late else self._prepare_s):
                    return late
        finally:
            for one in hearing:
                await one.end()

    async def switch(self) -> None:
        """Have all use what `prepare` prepared.

        Raises:
            RefusedError: another one was promoted meanwhile.
            PeerUnavailable: NATS is unreachable; nothing was switched, as far as we know.
        """
        await self._shelf_is_there()
        await self._shelf.put_in_use(self._new, self._after)
        log.info("models switched", key="models.switched", number=self._new.number)
        await self._tidy(self._before.packages, self._new.packages)

    async def _tidy(self, gone: Sequence[ModelPackage], kept: Sequence[ModelPackage]) -> None:
        """Files of versions before are not needed: who rolls back has them, and gives them anew."""
        try:
            await self._shelf.forget(gone, kept)
        except PeerUnavailable as error:
            log.info("files of models kept on", key="models.untidy", why=str(error))
