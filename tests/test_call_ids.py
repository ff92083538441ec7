"""Ids of calls: unique over PBXes, and what they were on a site with one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.call_ids import PBX_NAME, call_id_of, on_pbx, pbx_of, uniqueid_of

NAMES = st.one_of(st.just(""), st.from_regex(PBX_NAME, fullmatch=True))
UNIQUEIDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(NAMES, UNIQUEIDS)
def test_an_id_is_taken_apart_as_it_was_made(pbx: str, uniqueid: str) -> None:
    call_id = call_id_of(pbx, uniqueid)
    assert (pbx_of(call_id), uniqueid_of(call_id)) == (pbx, uniqueid)


@given(NAMES, UNIQUEIDS, NAMES, UNIQUEIDS)
def test_no_two_channels_share_one(pbx: str, uniqueid: str, other_pbx: str, other: str) -> None:
    same = (pbx, uniqueid) == (other_pbx, other)
    assert (call_id_of(pbx, uniqueid) == call_id_of(other_pbx, other)) == same


def test_without_a_name_it_is_the_uniqueid() -> None:
    for uniqueid in ("1795512460.12", "pbxa-1795512460.12", "emocx-call-5", "C/1.2"):
        assert call_id_of("", uniqueid) == uniqueid


def test_what_is_called_alike_on_two_pbxes_is_told_apart() -> None:
    assert on_pbx("berlin", "PJSIP/trunk") == "berlin/PJSIP/trunk" and on_pbx("", "care") == "care"
