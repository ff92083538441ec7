"""A call's id, unique over all PBXes: `pbx/uniqueid`, or the plain Uniqueid on the PBX without a name.

Two Asterisks that were started alike give the same Uniqueids, the same Linkedids and the same names of Local
channels. So nothing of Asterisk's own naming is taken for unique beyond its PBX, and this is the only place
where an id is made or taken apart. Pure.
"""

from __future__ import annotations

import re
from typing import Final

#: Name of a PBX in the settings; that of the table [asterisk] has none ("").
PBX_NAME: Final = r"[a-z0-9][a-z0-9-]{0,31}"
_NAMED: Final = re.compile(rf"(?:({PBX_NAME})?/)(.+)", re.DOTALL)


def call_id_of(pbx: str, uniqueid: str) -> str:
    """The id of the call whose customer came in the channel `uniqueid` of a PBX ("": the one without a name).

    A slash in a Uniqueid comes of an unusual `systemname`; what could be read as a PBX's name is kept apart.
    """
    if pbx:
        return f"{pbx}/{uniqueid}"
    return f"/{uniqueid}" if _NAMED.fullmatch(uniqueid) else uniqueid


def pbx_of(call_id: str) -> str:
    """Name of the PBX that a call is on; "": the one without a name."""
    named = _NAMED.fullmatch(call_id)
    return (named[1] or "") if named else ""


def on_pbx(pbx: str, name: str) -> str:
    """What is called so on a PBX (a trunk, a queue), told from what others call so: `berlin/PJSIP/trunk`."""
    return f"{pbx}/{name}" if pbx else name


def uniqueid_of(call_id: str) -> str:
    """The Uniqueid of the channel that the call began with, as its PBX knows it."""
    named = _NAMED.fullmatch(call_id)
    return named[2] if named else call_id
