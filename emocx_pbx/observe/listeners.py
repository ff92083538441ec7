"""Who is notified when something happens: parts subscribe once, and are called synchronously. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """The subscribers to one kind of news, called in the order in which they subscribed."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[P, None], ...] = ()

    def subscribe(self, listener: Callable[P, None]) -> None:
        """Call this function with the news from now on; it must not block."""
        self._listeners = (*self._listeners, listener)

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all subscribers."""
        for listener in self._listeners:
            listener(*args, **kwargs)
