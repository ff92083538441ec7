"""Models as the cluster keeps them: which are in use, which come next, and their files in parts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.model_set import (
    NOTHING,
    PART,
    ModelFile,
    ModelPackage,
    ModelSet,
    ModelsNews,
)
from emocx_pbx.errors import ModelError, PeerUnavailable, RefusedError
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.link import decoded
from emocx_pbx.wire.shelf import Shelf
from emocx_pbx.wire.stream import StreamPlan

log = structlog.get_logger()

#: All models that are kept: those in use, those before them, and the next.
ROOM: Final = 384 * 1024 * 1024
#: Tries for one part: a leader may be elected meanwhile.
TRIES: Final = 20
PAUSE_S: Final = 0.5

T = TypeVar("T")

_SET: Final = msgspec.msgpack.Decoder(ModelSet)


class ModelShelf:
    """One for each process that sends or receives models."""

    def __init__(self, bus: Bus, replicas: int = 1) -> None:
        plan = StreamPlan(
            subjects.MODELS_STREAM, subjects.MODELS_SUBJECTS, ROOM, replicas=replicas, last_only=True
        )
        self._bus, self._shelf = bus, Shelf(bus, plan)

    async def in_use(self) -> tuple[ModelSet, int]:
        """The set in use, and the number of its message, for `put_in_use`.

        Raises:
            PeerUnavailable: the servers don't answer.
            BadMessage: what they have is not a valid set.
        """
        return await self._get(subjects.MODELS_IN_USE)

    async def next(self) -> ModelSet:
        """The set that is to come; with a number not above that in use: none is.

        Raises:
            PeerUnavailable, BadMessage: as `in_use`.
        """
        return (await self._get(subjects.MODELS_NEXT))[0]

    async def _get(self, subject: str) -> tuple[ModelSet, int]:
        kept = await self._shelf.get(subject)
        return (NOTHING, 0) if kept is None else (decoded(_SET, kept.body), kept.number)

    async def offer(self, new: ModelSet) -> None:
        """Have all take this set, and use it from `put_in_use` on.

        Raises:
            PeerUnavailable, RefusedError: it is not kept.
        """
        body = msgspec.msgpack.encode(new)
        await self._patiently(partial(self._shelf.put, subjects.MODELS_NEXT, body))
        await self._bus.tell(subjects.MODELS_NEWS, ModelsNews(new.number - 1))

    async def put_in_use(self, new: ModelSet, after: int) -> None:
        """Have all use this set from now on.

        Raises:
            RefusedError: another one came into use since `after` was read.
            PeerUnavailable: the servers neither take it nor say for a long time whether they have.
        """
        unanswered = False

        async def once() -> None:
            """A leader may die between keeping it and saying so."""
            nonlocal unanswered
            try:
                await self._shelf.put(subjects.MODELS_IN_USE, msgspec.msgpack.encode(new), after)
            except PeerUnavailable:
                unanswered = True
                raise
            except RefusedError:
                if not unanswered or (await self.in_use())[0] != new:
                    raise

        await self._patiently(once)
        await self._bus.tell(subjects.MODELS_NEWS, ModelsNews(new.number))

    async def put_files(self, package: ModelPackage, folder: Path) -> None:
        """Keep the files of a version.

        Raises:
            RefusedError: there is no room.
            PeerUnavailable: the servers don't take it.
            ModelError: a file has changed meanwhile.
        """
        await self._shelf.ensure()
        for file in package.files:
            data = await asyncio.to_thread((folder / file.name).read_bytes)
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise ModelError(f"{folder / file.name} was changed meanwhile")
            for number in range(file.parts):
                subject = subjects.model_part(file.sha256, number)
                part = data[number * PART : (number + 1) * PART]
                await self._patiently(partial(self._shelf.put, subject, part))

    async def fetch(self, file: ModelFile, path: Path) -> None:
        """Write a file, complete and matching its checksum; an existing one is left as it is.

        Raises:
            ModelError: it is not kept, or something else is.
            PeerUnavailable: the servers don't give it.
            OSError: it can't be written.
        """
        if await asyncio.to_thread(_is, path, file):
            return
        digest, size = hashlib.sha256(), 0
        draft = path.with_name(f".{path.name}.part")
        with draft.open("wb") as out:
            for number in range(file.parts):
                part = subjects.model_part(file.sha256, number)
                kept = await self._patiently(partial(self._shelf.get, part))
                if kept is None:
                    raise ModelError(f"{file.name}: the cluster does not keep it (any more)")
                size += len(kept.body)
                if size > file.size:
                    raise ModelError(f"{file.name}: longer than was said")
                digest.update(kept.body)
                await asyncio.to_thread(out.write, kept.body)
        if size != file.size or digest.hexdigest() != file.sha256:
            draft.unlink(missing_ok=True)
            raise ModelError(f"{file.name}: what came is not what was said, by its checksum")
        draft.replace(path)

    async def forget(self, gone: Iterable[ModelPackage], kept: Iterable[ModelPackage]) -> None:
        """Keep files of these versions no longer, where no kept one has them, too.

        Raises:
            PeerUnavailable: the servers don't say that they do.
        """
        needed = {file.sha256 for package in kept for file in package.files}
        for sha256 in {file.sha256 for package in gone for file in package.files} - needed:
            await self._shelf.drop(subjects.model_parts(sha256))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Try again while the servers can't: they elect a leader within a few seconds."""
        for _ in range(TRIES - 1):
            try:
                return await work()
            except PeerUnavailable as error:
                log.debug("tried again", key="models.again", why=str(error))
            await asyncio.sleep(PAUSE_S)
        return await work()


def _is(path: Path, file: ModelFile) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False
