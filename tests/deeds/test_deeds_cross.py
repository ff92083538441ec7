"""Every deed crosses between processes as it is, and is done by somebody."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.deeds import account_deeds, doing
from emocx_pbx.deeds import deed as deeds
from emocx_pbx.dispatch.dialling import DiallingRefused
from emocx_pbx.errors import EmocxError, InputError, NotFoundError, StoreUnavailable
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.web import messages as m
from emocx_pbx.web.failures import failure_of, made
from emocx_pbx.wire.link import decoded

ALL = get_args(deeds.AnyDeed)
DECODER = msgspec.msgpack.Decoder(m.FromWeb)
BY = Actor("ann", "127.0.0.1")
#: MessagePack has no greater numbers.
NUMBERS = st.integers(-(2**63), 2**63 - 1)
WHOLE = {
    int: NUMBERS,
    int | None: st.none() | NUMBERS,
    dict[str, str | int]: st.dictionaries(st.text(), st.text() | NUMBERS),
    tuple[tuple[str, int], ...]: st.lists(st.tuples(st.text(), NUMBERS)).map(tuple),
}


def some(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = {f.name: f.type for f in msgspec.structs.fields(kind)}
    unbounded = [
        given for given in fields.values() if re.search(r"\bint\b", str(given)) and given not in WHOLE
    ]
    assert not unbounded, "give its numbers their bounds"
    return st.builds(kind, **{name: WHOLE.get(given, st.from_type(given)) for name, given in fields.items()})


def test_the_union_holds_every_deed() -> None:
    found = {
        kind
        for _, kind in inspect.getmembers(deeds, inspect.isclass)
        if issubclass(kind, deeds.Deed) and kind not in {deeds.Deed, deeds.OnReceivers}
    }
    assert found == set(ALL)
    source = inspect.getsource(doing) + inspect.getsource(account_deeds)
    for kind in ALL:
        assert f"{kind.__name__}(" in source, "nobody does it"


@pytest.mark.parametrize("kind", ALL)
def test_every_deed_says_what_it_is_answered_by(kind: Any) -> None:
    base = next(b for b in kind.__orig_bases__ if get_args(b))
    assert get_args(base)[0] in {kind.answer, type(kind.answer)}
    assert 0 < kind.deadline_s <= 600
    assert get_type_hints(kind)


@settings(max_examples=300, deadline=None)
@given(st.one_of([some(kind) for kind in ALL]))
def test_a_deed_arrives_as_it_was_sent(deed: Any) -> None:
    sent = m.DoDeed(1, deed, BY)
    arrived = decoded(DECODER, msgspec.msgpack.encode(sent))
    assert msgspec.msgpack.encode(arrived) == msgspec.msgpack.encode(sent)
    assert type(arrived.deed) is type(deed)


@pytest.mark.parametrize(
    "error",
    [
        InputError("no"),
        NotFoundError("gone"),
        StoreUnavailable("full"),
        DiallingRefused("called_number", 30),
        EmocxError("something"),
    ],
)
def test_an_error_is_made_again(error: EmocxError) -> None:
    back = made(failure_of(1, error))
    assert (type(back), str(back)) == (type(error), str(error))
    assert getattr(back, "wait_s", 0) == getattr(error, "wait_s", 0)


def test_an_error_of_ours_goes_as_the_next_one_that_is_known() -> None:
    class Special(NotFoundError):
        pass

    assert type(made(failure_of(1, Special("x")))) is NotFoundError
