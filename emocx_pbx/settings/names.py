"""What queues and customers may be called, wherever they are named: as freely as in Asterisk itself. Pure.

Both end up in dialplan variables, AMI headers, CSV and addresses, and are escaped there. The dialplan uses a
queue's name as it is, so what would be read there as syntax is refused: every accepted name is one that
FastAGI sets unchanged (`pbx.agi.protocol.safe_value`).

Messages and files are checked by the types; texts from variables, forms and commands by the functions.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta

from emocx_pbx.errors import InputError

#: Ends a pattern in JSON Schema and Python alike; `$` would let a line break follow.
_END: Final = r"(?![\s\S])"
#: No control characters, and nothing that begins a variable, quotes, escapes or separates arguments.
_PLAIN: Final = r'[^\x00-\x1f\x7f\x85\u2028\u2029$"\\,;()\[\]{}`|]'

#: E.g. `Zürich (EN)`, `800@tenant`, `c1-!hold!1`.
QUEUE_NAME: Final = rf"^(?:{_PLAIN}|\({_PLAIN}*\)){{1,80}}{_END}"
#: E.g. `+4930123456`, `a+b@x.org`, `KD-4711/2024`; the CRM's own, so nothing printable is refused.
CUSTOMER_KEY: Final = rf"^[^\x00-\x1f\x7f]{{1,128}}{_END}"
_LONGEST: Final = 128

QueueName = Annotated[str, Meta(pattern=QUEUE_NAME, max_length=_LONGEST)]
CustomerKey = Annotated[str, Meta(pattern=CUSTOMER_KEY, max_length=_LONGEST)]
#: A queue's name, or empty for none.
OptionalQueueName = Annotated[str, Meta(pattern=QUEUE_NAME.replace("{1,80}", "{0,80}"), max_length=_LONGEST)]


def queue_name(given: str) -> str | None:
    """A queue's name as it was typed; None: there is none.

    Raises:
        InputError: no queue can be called so.
    """
    name = given.strip(" ")
    if name and not (len(name) <= _LONGEST and re.search(QUEUE_NAME, name)):
        raise InputError(
            f'{name[:40]!r} is no name of a queue: up to 80 characters, none of $ " \\ , ; [ ] {{ }} ` |'
        )
    return name or None


def customer_key(given: str) -> str | None:
    """A customer's key as it is stored, without surrounding spaces; None: there is none.

    Raises:
        InputError: no customer can be called so; the message does not repeat it.
    """
    key = given.strip(" ")
    if key and not re.search(CUSTOMER_KEY, key):
        raise InputError("a customer's key has up to 128 characters and no control characters")
    return key or None
