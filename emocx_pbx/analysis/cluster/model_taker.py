"""Keeps this host's models the same as the cluster's: fetches the next set, and switches to it with all other
hosts.

One in each worker of a cluster, and one in each controller, for its folder and its own workers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.model_folder import incoming, is_there, put_in_place, put_into_use
from emocx_pbx.analysis.cluster.model_set import NOTHING, ModelPackage, ModelProgress, ModelSet, ModelsNews
from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError, ModelError, PeerUnavailable
from emocx_pbx.wire.bus import Bus

log = structlog.get_logger()

#: Between two looks when nobody told that there is something new; while something is to come.
LOOK_S: Final = 5.0
SOON_S: Final = 0.5
#: Seconds after which a set that was fetched but not put into use is dropped.
HOLD_S: Final = 300.0
#: Longest pause in seconds between two tries after a failure.
LONGEST_PAUSE_S: Final = 60.0

_NEWS: Final = msgspec.msgpack.Decoder(ModelsNews)


class Loads(Protocol):
    """What runs the models of this host."""

    async def hold(self, versions: Mapping[str, str]) -> str:
        """Load these versions (by `kind/name`) beside those in use; returns why it failed, or an empty
        text.
        """

    async def swap(self) -> str:
        """Use what is held, or what the folder says now; returns why it failed, or an empty text."""


class NoLoads:
    """Nothing runs yet: what is taken is loaded with everything else."""

    async def hold(self, versions: Mapping[str, str]) -> str:
        """Nothing."""
        return ""

    async def swap(self) -> str:
        """Nothing."""
        return ""


class ModelTaker:
    """One per process; everything happens on the event loop except disk work."""

    def __init__(
        self,
        bus: Bus,
        shelf: ModelShelf,
        registry: Registry,
        who: str,
        life: str,
        loads: Loads,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            shelf: what the cluster keeps.
            registry: this host's folder.
            who: a worker's name, or the host's.
            life: names this process.
            loads: runs the models.
            changed: called when `behind` is another.
            clock: monotonic seconds.
        """
        self._bus, self._shelf, self._registry = bus, shelf, registry
        self._who, self._life, self._loads, self._changed, self._clock = who, life, loads, changed, clock
        self._used = NOTHING
        self._next = NOTHING
        self._next_since = 0.0
        self._taken: ModelProgress | None = None
        self._taking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._behind = "it has not asked yet which models the cluster uses"

    @property
    def behind(self) -> str:
        """Why this host's models are not those of the cluster; empty: they are."""
        return self._behind

    @property
    def number(self) -> int:
        """Of the cluster's set that is in use here."""
        return self._used.number

    def _be_behind(self, why: str) -> None:
        if why != self._behind:
            self._behind = why
            self._changed()

    async def start(self) -> None:
        """Before anything is loaded, fetch what the cluster uses; carries on without if it can't be reached.

        `run` then sees to it, and `behind` says so meanwhile.
        """
        await self._bus.hear(subjects.MODELS_NEWS, _NEWS, self._on_news)
        if not self._bus.up:
            return
        loads, self._loads = self._loads, NoLoads()
        try:
            await self._use()
        except (EmocxError, OSError) as error:
            self._say(error)
        finally:
            self._loads = loads

    def _on_news(self, news: ModelsNews) -> None:
        ready = self._taken is not None and self._taken.state == "ready"
        if news.in_use > self._used.number and not ready:
            self._be_behind("the cluster uses other models, which are on their way here")
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = SOON_S
        try:
            while True:
                self._news.clear()
                wait_s = LOOK_S
                try:
                    await self._use()
                    if await self._prepare():
                        wait_s = SOON_S
                    pause_s = SOON_S
                except (EmocxError, OSError) as error:
                    self._say(error)
                    wait_s, pause_s = pause_s, min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    async with asyncio.timeout(wait_s):
                        await self._news.wait()
                except TimeoutError:
                    pass
        finally:
            await self._stop_taking()

    def _say(self, error: Exception) -> None:
        if self._behind and not isinstance(error, PeerUnavailable):
            self._be_behind(" ".join(str(error).split()))
        log.warning("models of the cluster not taken", key="models.not_taken", why=str(error))

    async def _use(self) -> None:
        """Have in use what the cluster has."""
        wanted, _ = await self._shelf.in_use()
        if wanted.number > self._used.number:
            ready = self._taken is not None and self._taken.state == "ready" and self._next == wanted
            if not ready:
                self._be_behind("the cluster uses other models, which are on their way here")
                await self._stop_taking()
                await self._take(wanted)
            for package in wanted.packages:
                await asyncio.to_thread(put_into_use, self._registry, package)
            if why := await self._loads.swap():
                self._be_behind(why)
                raise ModelError(why)
            self._used, self._taken = wanted, None
            log.info("models of the cluster in use", key="models.in_use", number=wanted.number,
                     models=[package.title for package in wanted.packages])  # fmt: skip
        self._be_behind("")

    async def _take(self, wanted: ModelSet) -> None:
        """Have the files of a set."""
        for package in wanted.packages:
            if not await asyncio.to_thread(is_there, self._registry, package):
                await self._fetch(package)

    async def _fetch(self, package: ModelPackage) -> None:
        began = self._clock()
        folder = await asyncio.to_thread(incoming, self._registry, package, self._who)
        for file in package.files:
            await self._shelf.fetch(file, folder / file.name)
        await asyncio.to_thread(put_in_place, self._registry, package, folder)
        size, took_s = sum(file.size for file in package.files), round(self._clock() - began, 1)
        log.info("model taken", key="models.taken", model=package.title, bytes=size, took_s=took_s)

    async def _prepare(self) -> bool:
        """Take what is to come; whether there is something."""
        coming = await self._shelf.next()
        if coming.number <= self._used.number:
            await self._let_go()
            return False
        if coming != self._next:
            await self._let_go()
            self._next, self._next_since = coming, self._clock()
            self._taken = self._state("taking")
            self._taking = asyncio.get_running_loop().create_task(self._take_next(coming))
        elif self._clock() - self._next_since > HOLD_S:
            if self._taken is not None:
                log.warning("models that did not come into use let go", key="models.let_go")
                await self._let_go(remember=True)
            return False
        if self._taken is not None:
            await self._bus.tell(subjects.MODELS_TAKEN, self._taken)
        return True

    def _state(self, state: str, why: str = "") -> ModelProgress:
        return msgspec.convert(
            {"type": "ModelProgress", "who": self._who, "life": self._life, "digest": self._next.digest,
             "state": state, "why": why},
            ModelProgress,
        )  # fmt: skip

    async def _take_next(self, coming: ModelSet) -> None:
        try:
            await self._take(coming)
            why = await self._loads.hold(coming.versions)
        except PeerUnavailable as error:  # for now
            log.warning("models to come not taken yet", key="models.not_yet", why=str(error))
            self._next = NOTHING
            return
        except (EmocxError, OSError) as error:
            why = " ".join(str(error).split())
        if why:
            log.warning("models to come not taken", key="models.failed", why=why)
        self._taken = self._state("failed" if why else "ready", why)
        await self._bus.tell(subjects.MODELS_TAKEN, self._taken)

    async def _let_go(self, remember: bool = False) -> None:
        await self._stop_taking()
        if self._taken is not None:
            self._taken = None
            await self._loads.hold({})
        if not remember:
            self._next = NOTHING

    async def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)
            self._taking = None
