"""An answer's status counts, however it came and whatever follows it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emocx_pbx.errors import ProtocolError
from emocx_pbx.webhooks.answer import MAX_BYTES, SAID_CHARS, AnswerReader


def read(*parts: bytes) -> AnswerReader:
    reader = AnswerReader()
    for part in parts:
        if not reader.done:
            reader.receive(part)
    return reader


#: Answers of 200 that HTTP clients stumble over.
ODD = (
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.0 200\r\n\r\n",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 \n\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\nx",
    b"HTTP/1.1 200 OK\r\nno colon here\r\nx: \xff\x00\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
    b"HTTP/1.1 200 " + b"z" * 100_000,
    b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n\x00\x01\x02",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(1000)) + b"\r\n",
)


@pytest.mark.parametrize("answer", ODD)
def test_the_status_counts_in_any_pieces(answer: bytes) -> None:
    assert read(answer, b"").status == 200
    pieces = [answer[n : n + 7] for n in range(0, len(answer), 7)]
    assert read(*pieces, b"").status == 200


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2p1 secret\r\n", b"220 mail ESMTP\r\n", b"\x15\x03", b"HTTP/x\n"]
)
def test_what_is_no_http_is_said_without_repeating_it(answer: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^the answer is not HTTP$"):
        read(answer, b"")


def test_nothing_is_said_to_be_nothing() -> None:
    with pytest.raises(ProtocolError, match="closed without an answer"):
        read(b"")


def test_no_more_is_read_than_matters() -> None:
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n").done
    assert read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").done
    assert read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").done
    endless = AnswerReader()
    endless.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    taken = 0
    while not endless.done:
        endless.receive(b"x" * 1000)
        taken += 1000
    assert taken <= MAX_BYTES + 1000


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 422 X\r\n\r\n{\"error\": \"no such\\n field\"}", '{"error": "no such\\n field"}'),
        (b"HTTP/1.1 500 X\r\n\r\n  <h1>Oops</h1>\r\n\t at line 3 ", "<h1>Oops</h1> at line 3"),
        (b"HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\n b\r\n0\r\n\r\n", "a b"),
        (b"HTTP/1.1 400 X\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b", "(gzip, not shown)"),
        (b"HTTP/1.1 400 X\r\n\r\n\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("HTTP/1.1 400 X\r\n\r\nungültig".encode(), "ungültig"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ""),
        (b"HTTP/1.1 400 X\r\ncontent-type: text/plain; charset=ISO-8859-1\r\n\r\nung\xfcltig", "ungültig"),
        (b"HTTP/1.1 400 X\r\ncontent-type: text/plain; charset=iso-8859-99\r\n\r\nno", "no"),
        (b"HTTP/1.1 400 X\r\ncontent-type: text/plain;charset=\"utf-16\"\r\n\r\n"
         + "né".encode("utf-16"), "né"),
        (b"HTTP/1.1 400 X\r\ncontent-type: text/plain; charset=punycode\r\n\r\nno-", "no-"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\nmoved", "moved"),
        (b"HTTP/1.1 400 X\r\n\r\n\xe2\x80\xaelive", "\ufffdlive"),
    ],
)  # fmt: skip
def test_what_a_refusal_says_is_kept_on_one_safe_line(answer: bytes, said: str) -> None:
    assert read(answer, b"").said == said


@given(st.binary(max_size=2000), st.lists(st.integers(1, 50), min_size=1, max_size=40))
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0", [1])
def test_any_bytes_behind_a_status_are_borne(rest: bytes, sizes: list[int]) -> None:
    whole, at = b"HTTP/1.1 202 Accepted\r\n" + rest, 0
    parts: list[bytes] = []
    while at < len(whole):
        size = sizes[len(parts) % len(sizes)]
        parts.append(whole[at : at + size])
        at += size
    reader = read(*parts, b"")
    assert reader.status == 202
    assert len(reader.said) <= SAID_CHARS and reader.said.isprintable()


def test_retry_after_is_found_in_any_case() -> None:
    assert read(b"HTTP/1.1 503 X\r\nRETRY-AFTER:  120 \r\n\r\n", b"").retry_after == "120"
