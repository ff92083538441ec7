"""Why a port can't be opened, by the name of the setting that has to change."""

from __future__ import annotations

import errno
import os

from emocx_pbx.errors import SettingsError

#: Errors that mean that the address is wrong: not ours, or no address at all.
_NONE_OF_THEM = "could not bind on any address"
_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


def cannot_listen(
    host_setting: str, port_setting: str, host: str, port: int, error: OSError
) -> SettingsError:
    """What an administrator is told: `agi.port: can't listen on 127.0.0.1:4573: Address already in use`.

    Args:
        host_setting: name of the address's setting.
        port_setting: name of the port's setting.
        host: the address tried.
        port: the port tried.
        error: what the system said; asyncio wraps it in a sentence of its own.
    """
    # From Python 3.12 on, asyncio tries the other addresses of a name, and then gives no error number.
    number = errno.EADDRNOTAVAIL if str(error).startswith(_NONE_OF_THEM) else error.errno or 0
    why = os.strerror(number) if number > 0 else error.strerror or str(error)
    setting = host_setting if number <= 0 or number in _ADDRESS else port_setting
    shown = f"[{host}]" if ":" in host else host
    return SettingsError(f"{setting}: can't listen on {shown}:{port}: {why}")
