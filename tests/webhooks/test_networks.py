"""Receivers are reached at public addresses, and in networks that the settings name; in every disguise."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.webhooks.networks import Networks

PRIVATE = (
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not Networks().permits(address)


@given(st.sampled_from([a for a in PRIVATE if ":" not in a]))
def test_private_addresses_inside_others_are_refused(address: str) -> None:
    number = int(ipaddress.IPv4Address(address))
    for prefix in ("::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "::"):
        assert not Networks().permits(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number)))
    assert not Networks().permits(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16",
        "64:ff9b::168.63.129.16",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:a00:0:100:808:808",
        "fec0::1",
        "::ffff:0:127.0.0.1",
        "5f00::1",
        "3fff::1",
        "192.0.0.8",
        "192.88.99.1",
        "2001:0:7f00:1::",
    ],
)
def test_addresses_that_belong_to_nobody_are_refused(address: str) -> None:
    assert not Networks().permits(address)


def test_public_ones_are_permitted() -> None:
    for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert Networks().permits(address)


def test_the_settings_allow_networks_and_no_more() -> None:
    networks = Networks(["10.1.0.0/16", "127.0.0.0/8", "fd00::/8"])
    assert all(networks.permits(a) for a in ("10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3", "fd00::5"))
    assert not any(networks.permits(a) for a in ("10.2.0.1", "::1", "192.168.0.1", "fe80::1"))


def test_a_site_that_translates_by_itself_names_its_prefix() -> None:
    assert Networks(["64:ff9b:1::/96"]).permits("64:ff9b:1::8.8.8.8")
    assert not Networks(["64:ff9b:1::/96"]).permits("64:ff9b:1:1::8.8.8.8")
    assert not Networks(["8.8.8.0/24"]).permits("64:ff9b:1::8.8.8.8")
