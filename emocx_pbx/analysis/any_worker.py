"""What the service knows a worker by, wherever it runs: a process of ours, or one on another host."""

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
        """Where it stands; empty: here."""

    @property
    def address(self) -> str:
        """Where Asterisk reaches its AudioSocket port: HOST:PORT."""

    @property
    def ready(self) -> Ready | None:
        """What it has; None: not known yet."""

    @property
    def stats(self) -> WorkerStats | None:
        """Its latest; None before."""

    @property
    def alive(self) -> bool:
        """Whether it takes messages."""

    @property
    def responsive(self) -> bool:
        """Whether it takes messages, and spoke lately."""

    @property
    def local(self) -> bool:
        """Whether it runs on this host, as a process of ours."""

    @property
    def sessions(self) -> int:
        """Taps and questions that it has or expects."""

    async def announce(self, message: AnnounceTap | AnnounceListen) -> None:
        """Have it expect an AudioSocket; PeerUnavailable: it is gone, or takes no more."""

    def send(self, message: EndSession) -> None:
        """Have a session end; PeerUnavailable: it can't be told now."""

    async def ask(
        self, message: ClassifyText | LoadModels | SwapModels, within_s: float
    ) -> TextResult | ModelsLoaded:
        """Its answer; PeerUnavailable: it died, or did not answer in time."""
