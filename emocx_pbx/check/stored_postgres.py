"""The part of the check about the PostgreSQL database that records go to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emocx_pbx.check.audit import chain_finding
from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import StoreError, StoreUnavailable
from emocx_pbx.store.look_postgres import look_postgres
from emocx_pbx.store.migrate import migrations

#: The oldest server that the tests run on.
OLDEST: Final = 15
#: Seconds; deliveries are held for longer than this beyond their deadline.
MOST_APART_S: Final = 5.0


async def postgres_findings(place: str, now: Callable[[], float]) -> list[Finding]:
    """Whether the service could go on with it, each fault with its remedy."""
    try:
        looked = await look_postgres(place, now)
    except StoreUnavailable as error:
        return [_fails(str(error), "start PostgreSQL, or correct store.url; a firewall may be between")]
    except StoreError as error:
        return [
            _fails(str(error), "correct store.url: is there this database, and this user with its password?")
        ]
    known = len(migrations())
    found = []
    if looked.major < OLDEST:
        found.append(_fails(f"PostgreSQL {looked.major}", f"upgrade the server to {OLDEST} or newer"))
    if looked.encoding != "UTF8":
        found.append(
            _fails(
                f"encoding {looked.encoding}",
                "make the database with createdb --encoding=UTF8 --template=template0",
            )
        )
    if looked.standby:
        found.append(
            _fails("this server follows another one and takes no changes", "name its primary in store.url")
        )
    elif not looked.may_create:
        found.append(
            _fails(
                "we may not make tables there",
                "as its owner: GRANT CREATE, USAGE ON SCHEMA public TO our user",
            )
        )
    if looked.schema > known:
        found.append(
            _fails(
                f"{looked.place} is of a newer version: schema {looked.schema}, known here up to {known}",
                "install the newer release again, or restore the dump from before the upgrade",
            )
        )
    if abs(looked.ahead_s) > MOST_APART_S:
        found.append(
            Finding(
                "warn", "database", f"its clock and this machine's are {abs(looked.ahead_s):.0f} s apart",
                "let both follow NTP: times of calls come from here, of claims from every host",
            )
        )  # fmt: skip
    if not any(finding.level == "fail" for finding in found):
        said = f"{looked.place}, PostgreSQL {looked.major}, schema {looked.schema} of {known}"
        found.append(Finding("ok", "database", said))
    return found if looked.audit is None else [*found, chain_finding(looked.audit)]


def _fails(what: str, remedy: str) -> Finding:
    return Finding("fail", "database", what, remedy)
