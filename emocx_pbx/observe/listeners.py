"""Who is told when something happened: parts subscribe once, and are told synchronously. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """Those who want to hear of one kind of news, told in the order in which they subscribed."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[P, None], ...] = ()

    def subscribe(self, listener: Callable[P, None]) -> None:
        """Tell it from now on; it must not block."""
        self._listeners = (*self._listeners, listener)

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell all of them."""
        for listener in self._listeners:
            listener(*args, **kwargs)
