"""One rule for names of queues and customers, at whichever door they come in."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.deeds.users import checked_queues
from emocx_pbx.errors import InputError
from emocx_pbx.pbx.agi.protocol import safe_value
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.names import QUEUE_NAME, QueueName, customer_key, queue_name

QUEUES = ("Zürich (EN)", "800@tenant", "c1-!hold!1", "a&b", "support", "9", "a 'b'")
NO_QUEUES = ("a,b", "a|b", "${X}", "a{b}", "a`b", 'a"b', "a\\b", "a;b", "a(b", "a)b", "((a))", "[a]",
             "a\x85b", "a\nb", "x" * 81, "\u2028")  # fmt: skip


@given(st.from_regex(QUEUE_NAME).filter(lambda name: len(name) <= 128))
def test_every_name_of_a_queue_reaches_the_dialplan_unchanged(name: str) -> None:
    assert safe_value(name) == name


@pytest.mark.parametrize("name", QUEUES)
def test_queues_that_asterisk_may_have_are_taken_by_every_door(name: str) -> None:
    assert msgspec.convert(name, QueueName) == queue_name(f" {name} ") == safe_value(name)
    assert checked_queues("supervisor", [name]) == (name,)
    assert msgspec.convert({"queues": {name: "us"}}, ChatSettings).queues == {name: "us"}


@pytest.mark.parametrize("name", NO_QUEUES)
def test_other_names_are_refused_everywhere(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(f"x{name}", QueueName)
    with pytest.raises(InputError):
        queue_name(f"x{name}")
    with pytest.raises(InputError):
        checked_queues("supervisor", [f"x{name}"])
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"queues": {f"x{name}": "us"}}, ChatSettings)


def test_customers() -> None:
    assert customer_key(" KD-4711/2024 ") == "KD-4711/2024"
    assert customer_key(" ") is None
    for wrong in ("a\nb", "\x00", "x" * 129):
        with pytest.raises(InputError) as refused:
            customer_key(f"K{wrong}")
        assert wrong not in str(refused.value)
