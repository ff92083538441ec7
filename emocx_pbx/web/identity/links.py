"""One-time links for people, the first administrator's among them."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Final

from emocx_pbx.deeds.deed import MakeLink
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.settings.settings import HttpSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.accounts import Accounts
from emocx_pbx.web.strings import t

#: The terminal of this process, if it has one.
TERMINAL: Final = Path("/dev/tty")

CONSOLE: Final = Actor("console", "")


def public_url(http: HttpSettings, port: int) -> str:
    """The address that people open, without a slash at its end."""
    if http.public_url:
        return http.public_url.rstrip("/")
    host = f"[{http.host}]" if ":" in http.host else http.host
    return f"{'https' if http.tls_cert else 'http'}://{host}:{port}"


async def announce_first_link(
    accounts: Accounts, deeds: Doer, http: HttpSettings, port: int, terminal: Path | None = None
) -> None:
    """While there is no user, print a link that makes the first administrator; never to the log.

    If there is a terminal it goes there, even if stderr goes to a file or the journal.
    """
    if await accounts.has_users():
        return
    link = await deeds.do(MakeLink(None), CONSOLE)
    said = t("account.first_link", link=public_url(http, port) + link)
    with contextlib.ExitStack() as stack:
        out = sys.stderr
        if not out.isatty():
            with contextlib.suppress(OSError):
                out = stack.enter_context((terminal or TERMINAL).open("w"))
        print(said, file=out, flush=True)
