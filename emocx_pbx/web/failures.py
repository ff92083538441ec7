"""Errors of the controller as sent to the web process: by the name of their class."""

from __future__ import annotations

from typing import Final, get_args

from emocx_pbx import errors
from emocx_pbx.dispatch.dialling import DiallingRefused, Why
from emocx_pbx.errors import EmocxError
from emocx_pbx.web import messages as m

_KINDS: Final[dict[str, type[EmocxError]]] = {
    kind.__name__: kind
    for kind in (
        errors.InputError,
        errors.ModelError,
        errors.NotAllowedError,
        errors.NotFoundError,
        errors.PeerUnavailable,
        errors.RefusedError,
        errors.SettingsError,
        errors.StoreError,
        errors.StoreUnavailable,
    )
}


def failure_of(number: int, error: EmocxError) -> m.Failed:
    """The error as the answer to request `number`; an unknown class is sent as its nearest known base
    class.
    """
    if isinstance(error, DiallingRefused):
        return m.Failed(number, DiallingRefused.__name__, error.why, error.wait_s)
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS), "")
    return m.Failed(number, name, str(error))


def made(failed: m.Failed) -> EmocxError:
    """The error that the message stands for."""
    if failed.kind == DiallingRefused.__name__:
        for why in get_args(Why):
            if why == failed.why:
                return DiallingRefused(why, failed.wait_s)
    return _KINDS.get(failed.kind, EmocxError)(failed.why)
