"""A worker as the service sees it, wherever it runs: a process of ours, or one on another host."""

from __future__ import annotations

from typing import Protocol

from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    EndSession,
    LoadModels,
    ModelsLoaded,
    Ready,
    SwapModels,
    TextResult,
    WorkerStats,
)


class AnyWorker(Protocol):
    """One worker that the service may use."""

    @property
    def index(self) -> int:
        """Its number, in metrics and messages."""

    @property
    def site(self) -> str:
        """Site of its host; empty: ours."""

    @property
    def address(self) -> str:
        """Where Asterisk reaches its AudioSocket port: HOST:PORT."""

    @property
    def ready(self) -> Ready | None:
        """Its latest Ready: what it has; None: not known yet."""

    @property
    def stats(self) -> WorkerStats | None:
        """Its latest statistics; None before the first."""

    @property
    def alive(self) -> bool:
        """Whether it takes messages."""

    @property
    def responsive(self) -> bool:
        """Whether it takes messages, and has sent one recently."""

    @property
    def local(self) -> bool:
        """Whether it runs on this host, as a process of ours."""

    @property
    def sessions(self) -> int:
        """Number of taps and questions that it has or expects."""

    async def announce(self, message: AnnounceTap | AnnounceListen) -> None:
        """Have it expect an AudioSocket; raises PeerUnavailable if it is gone, or takes no more."""

    def send(self, message: EndSession) -> None:
        """Have a session end; raises PeerUnavailable if it can't be reached now."""

    async def ask(
        self, message: ClassifyText | LoadModels | SwapModels, within_s: float
    ) -> TextResult | ModelsLoaded:
        """Its answer to a message; raises PeerUnavailable if it died, or did not answer in time."""
