"""Each threshold of the table of versions."""

from __future__ import annotations

import pytest

from emocx_pbx.pbx.versions import capabilities, parse, tap_mode


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("22.10.1", (22, 10)),
        ("Asterisk 20.13.0", (20, 13)),
        ("22.10.1~dfsg+~cs6.15.60671435-1", (22, 10)),
        ("certified/20.7-cert3", (20, 7)),
        ("certified-18.9-cert17", (18, 9)),
        ("23.0.0-rc1", (23, 0)),
        ("GIT-master-22.5", None),
        ("", None),
        ("unknown", None),
    ],
)
def test_versions_are_read(text: str, parsed: tuple[int, int] | None) -> None:
    assert parse(text) == parsed


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ("16.30.0", "off"),
        ("17.9.4", "off"),
        ("18.0.0", "customer"),
        ("18.21.0", "customer"),
        ("18.22.0", "stereo"),
        ("19.8.1", "customer"),
        ("20.6.0", "customer"),
        ("20.7.0", "stereo"),
        ("certified/20.7-cert3", "stereo"),
        ("21.1.0", "customer"),
        ("21.2.0", "stereo"),
        ("22.0.0", "stereo"),
        ("23.1.0", "stereo"),
        ("24.0.0", "stereo"),
        ("GIT-master-1a2b3c", "stereo"),
        ("", "customer"),
    ],
)
def test_the_tap_by_version(version: str, mode: str) -> None:
    assert tap_mode("auto", version) == mode


@pytest.mark.parametrize("setting", ["stereo", "dual", "customer", "off"])
def test_the_setting_goes_before_the_version(setting: str) -> None:
    assert tap_mode(setting, "16.0.0") == setting


def test_what_each_release_brought() -> None:
    assert not capabilities("22.3.0").session_end_continues
    assert capabilities("22.4.0").session_end_continues
    assert not capabilities("20.14.0").split_payload_read
    assert capabilities("20.15.0").split_payload_read
    assert not capabilities("21.12.0").split_header_read
    assert capabilities("22.9.0").split_header_read
    assert not capabilities("18.30.0").session_end_continues
    assert capabilities("20.11.0").advanced_event_filter
