"""What queues and customers may be called, by whichever door: as wide as Asterisk's own names. Pure.

Both end up in dialplan variables, AMI headers, CSV and addresses, and are escaped there. The dialplan uses a
queue's name as it is, so that what would be read there as syntax is refused.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

#: Ends a pattern in JSON Schema and Python alike; `$` would let a line break follow.
_END: Final = r"(?![\s\S])"
#: No control characters, nor what begins a variable, quotes, escapes or parts arguments.
_PLAIN: Final = r'[^\x00-\x1f\x7f$"\\,;()\[\]]'

#: E.g. `Zürich (EN)`, `800@tenant`, `c1-!hold!1`.
QUEUE_NAME: Final = rf"^(?:{_PLAIN}|\({_PLAIN}*\)){{1,80}}{_END}"
#: E.g. `+4930123456`, `a+b@x.org`, `KD-4711/2024`; the CRM's own, so that nothing printable is refused.
CUSTOMER_KEY: Final = rf"^[^\x00-\x1f\x7f]{{1,128}}{_END}"

QueueName = Annotated[str, Meta(pattern=QUEUE_NAME, max_length=128)]
CustomerKey = Annotated[str, Meta(pattern=CUSTOMER_KEY, max_length=128)]
#: A queue's name, or empty for none.
OptionalQueueName = Annotated[str, Meta(pattern=QUEUE_NAME.replace("{1,80}", "{0,80}"), max_length=128)]
