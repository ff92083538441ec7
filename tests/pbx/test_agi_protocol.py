"""FastAGI's lines, replies and values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.agi.protocol import (
    MAX_COMMAND,
    MAX_PAIRS,
    MAX_REPLY,
    Reply,
    ReplyReader,
    arguments,
    get_command,
    marked_values,
    parse_opening,
    safe_value,
    script_path,
    set_commands,
)

MARK = "0123456789abcdef"


@given(st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=200))
def test_any_value_is_read_as_it_is(value: str) -> None:
    reader = ReplyReader(MARK)
    lines = f"200 result=1 ({MARK}{value}{MARK})".split("\n")
    replies = [reader.take(line) for line in lines]
    assert replies[:-1] == [None] * (len(lines) - 1)
    assert replies[-1] is not None
    assert marked_values(replies[-1], MARK, 1) == [value]


@given(st.lists(st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=40), min_size=1))
def test_several_values_are_read_as_they_are(values: list[str]) -> None:
    reader = ReplyReader(MARK)
    *first, last = f"200 result=1 ({MARK}{f'{MARK}-'.join(values)}{MARK})".split("\n")
    assert [reader.take(line) for line in first] == [None] * len(first)
    reply = reader.take(last)
    assert reply is not None and marked_values(reply, MARK, len(values)) == values


def test_fewer_values_than_were_asked_for_are_refused() -> None:
    with pytest.raises(ProtocolError, match="1 values instead of 2"):
        marked_values(Reply(200, f"result=1 ({MARK}one{MARK})"), MARK, 2)


@pytest.mark.parametrize("value", ["x)\n200 result=1 (evil", "a\nHANGUP\nb", "520-no\n520 yes", ")"])
def test_a_value_that_looks_like_replies_stays_a_value(value: str) -> None:
    reader = ReplyReader(MARK)
    *first, last = f"200 result=1 ({MARK}{value}{MARK})".split("\n")
    for line in first:
        assert reader.take(line) is None
        assert reader.inside
    reply = reader.take(last)
    assert reply is not None and marked_values(reply, MARK, 1) == [value]


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["200 result=1"], Reply(200, "result=1")),
        (["100 Trying...", "200 result=0"], Reply(200, "result=0")),
        (["510 Invalid or unknown command"], Reply(510, "Invalid or unknown command")),
        (["511 Command Not Permitted"], Reply(511, "Command Not Permitted")),
        (
            ["520-Invalid command syntax.  Proper usage follows:", "Usage: SET", "520 End of proper usage."],
            Reply(
                520, "Invalid command syntax.  Proper usage follows:\nUsage: SET\n520 End of proper usage."
            ),
        ),
        (["rest of something", "200 result=1"], Reply(200, "result=1")),
    ],
)
def test_replies(lines: list[str], reply: Reply) -> None:
    reader = ReplyReader()
    found = [reader.take(line) for line in lines]
    assert found == [None] * (len(lines) - 1) + [reply]


def test_an_endless_reply_is_refused() -> None:
    reader = ReplyReader(MARK)
    reader.take(f"200 result=1 ({MARK}")
    with pytest.raises(ProtocolError, match="more than"):
        for _ in range(MAX_REPLY):
            reader.take("x" * 100)


def test_a_variable_without_marks_in_the_reply_is_empty() -> None:
    assert marked_values(Reply(200, "result=0"), MARK, 1) == [""]


@given(st.text())
def test_a_safe_value_is_one_quoted_word_without_meaning(value: str) -> None:
    (command,) = set_commands({"EMOCX_QUEUE": value})
    assert re.fullmatch(r'EXEC MSet "EMOCX_QUEUE=[^"\\$`,\x00-\x1f]*"', command)
    assert len(command.encode()) < 2_000
    assert safe_value(safe_value(value)) == safe_value(value)


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("127.0.0.1:9092", "127.0.0.1:9092"),
        ("[::1]:9092", "[::1]:9092"),
        ("custom/how&can", "custom/how&can"),
        ("0.83", "0.83"),
        ("Zürich", "Zürich"),
        ("Zürich (EN)", "Zürich (EN)"),
        ("a (b", "a _b"),
        ("a)(b", "a__b"),
        ("a [b", "a _b"),
        ("a][b", "a__b"),
        ("([)]", "([)]"),
        ("((a))", "__a__"),
        ("a,b", "a_b"),
        ('x"\nEXEC System rm', "x__EXEC System rm"),
        ("${SECRET}", "__SECRET_"),
    ],
)
def test_known_values(value: str, safe: str) -> None:
    assert safe_value(value) == safe


@pytest.mark.parametrize("name", ["", "A B", "A=1", "A\nB", "A}", "1A", "FUNC(x", "A(${B})", "ÄB"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        get_command(("A", name), MARK)
    with pytest.raises(ProtocolError):
        set_commands({"A": "1", name: "1"})


def test_names() -> None:
    assert get_command(["CALLERID(num)"], "m") == 'GET FULL VARIABLE "m${CALLERID(num)}m"'
    assert get_command(["A", "B"], "m") == 'GET FULL VARIABLE "m${A}m-${B}m"'
    assert set_commands({"__X": "1", "Y": ""}) == ['EXEC MSet "__X=1,Y="']
    assert set_commands({}) == []


@given(st.lists(st.text(), max_size=40))
def test_variables_are_set_in_their_order_by_few_commands_that_fit_into_asterisks_lines(
    values: list[str],
) -> None:
    variables = {f"V{n}": value for n, value in enumerate(values)}
    commands = set_commands(variables)
    pairs = [command.removeprefix('EXEC MSet "').removesuffix('"').split(",") for command in commands]
    assert [pair for some in pairs for pair in some] == [f"{n}={safe_value(v)}" for n, v in variables.items()]
    assert all(len(some) <= MAX_PAIRS for some in pairs)
    assert all(len(command.encode()) <= MAX_COMMAND for command in commands)


def test_long_values_are_set_by_several_commands() -> None:
    assert [len(c) for c in set_commands({"A": "a" * 1_024, "B": "b" * 1_024, "C": "c"})] == [1_038, 1_042]


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"agi_network_script": "route"}, "/route"),
        ({"agi_network_script": "route?a=1"}, "/route"),
        ({"agi_network_script": ""}, "/"),
        ({"agi_request": "agi://127.0.0.1:4573/heard?x"}, "/heard"),
        ({"agi_request": "agi://127.0.0.1"}, "/"),
    ],
)
def test_path(env: dict[str, str], path: str) -> None:
    assert script_path(env) == path


def test_opening() -> None:
    env = parse_opening(
        ["agi_network: yes", "agi_network_script: r", "agi_arg_1: a: b", "agi_arg_2:", "agi_arg_4: z"]
    )
    assert env["agi_arg_1"] == "a: b"
    assert arguments(env) == ("a: b", "")
    for wrong in (["GET / HTTP/1.1"], ["agi_network: yes"], [], ["agi_x"]):
        with pytest.raises(ProtocolError):
            parse_opening(wrong)
