"""Calls by what events name them by, so that no event has to go through all calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class CallIndex:
    """Which calls a key may stand for. A key stays with a call until the call is over, so whoever asks
    looks once more whether a call that is found is meant now.
    """

    def __init__(self) -> None:
        self._calls: dict[str, dict[str, None]] = {}
        """Key to call_ids."""
        self._keys: dict[str, dict[str, None]] = {}
        """call_id to its keys."""

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, key: str | None, call_id: str) -> None:
        """The key may stand for the call; nothing happens without a key."""
        if key:
            self._calls.setdefault(key, {})[call_id] = None
            self._keys.setdefault(call_id, {})[key] = None

    def remove(self, call_id: str) -> None:
        """The call is over."""
        for key in self._keys.pop(call_id, ()):
            calls = self._calls[key]
            del calls[call_id]
            if not calls:
                del self._calls[key]

    def keys_of(self, call_id: str) -> list[str]:
        """What a call may be named by."""
        return list(self._keys.get(call_id, ()))

    def all(self) -> list[str]:
        """All calls that have a key."""
        return list(self._keys)

    def find(self, keys: Iterable[str]) -> set[str]:
        """Calls that one of the keys may stand for."""
        return {call_id for key in keys for call_id in self._calls.get(key, ())}
