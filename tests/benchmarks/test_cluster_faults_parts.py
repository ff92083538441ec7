"""What benchmarks.cluster_faults is made of: which faults there are, and hosts whose links are cut."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.cluster_faults.__main__ import _parser, _wanted
from benchmarks.cluster_faults.faults import FAULTS, NAMES, SHORT, chosen
from benchmarks.cluster_faults.network import Network
from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab.host import THIS_MACHINE, Host

ECHO = """
import socket
server = socket.create_server(("0.0.0.0", 7))
print("up", flush=True)
while True:
    server.accept()[0].close()
"""

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 7), 0.3).close()
except OSError:
    sys.exit(1)
"""


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        network = Network().__enter__()
    except PeerUnavailable as error:
        pytest.skip(str(error))
    yield network
    network.close()


@pytest.fixture
def host(network: Network) -> Iterator[Host]:
    """One with a server on port 7."""
    host = network.host("one")
    words = [*host.enter(), sys.executable, "-c", ECHO]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None and server.stdout.readline() == b"up\n"
        yield host
        server.kill()


def reached(address: str) -> bool:
    try:
        socket.create_connection((address, 7), 0.3).close()
    except OSError:
        return False
    return True


def test_a_host_that_is_cut_off_is_seen_by_the_run_alone(network: Network, host: Host) -> None:
    assert reached(host.address)
    network.cut(host)
    assert not reached(host.address) and reached(host.managed)
    network.mend(host)
    assert reached(host.address)


def test_two_hosts_that_are_parted_reach_all_others(network: Network, host: Host) -> None:
    def reached_from(asking: Host) -> bool:
        words = [*asking.enter(), sys.executable, "-c", CONNECT, host.address]
        return subprocess.run(words, check=False).returncode == 0

    one, other = network.host("two"), network.host("three")
    assert reached_from(one)
    network.part(one, host)
    assert not reached_from(one) and reached_from(other)
    network.join(one, host)
    assert reached_from(one)


def test_what_runs_on_hosts_ends_with_the_network(network: Network, host: Host) -> None:
    assert network.processes(host)
    network.close()
    assert not network.processes(host)
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert host.namespace not in listed


def test_this_machine_is_reached_without_a_namespace() -> None:
    assert THIS_MACHINE.enter() == [] and THIS_MACHINE.listens == "127.0.0.1"


def test_faults_are_chosen_by_name_in_their_own_order() -> None:
    assert [fault.name for fault in chosen(reversed(SHORT), 1)] == [n for n in NAMES if n in SHORT]
    assert [fault.name for fault in chosen([], 3)] == list(NAMES)
    assert {fault.name for fault in FAULTS} - {fault.name for fault in chosen([], 1)} == {
        "nats-leader-killed"
    }


@pytest.mark.parametrize("names", [["no-such"], ["nats-leader-killed"]])
def test_a_fault_that_cannot_be_is_refused_by_name(names: list[str]) -> None:
    with pytest.raises(SettingsError, match=names[0]):
        chosen(names, 1)


def test_every_role_is_struck_in_every_way() -> None:
    roles = ("controller", "worker", "sender", "web", "door")
    deeds = ("killed", "frozen", "cut", "restarted")
    # A door's host is its PBX's.
    assert {f"{role}-{deed}" for role in roles for deed in deeds} - set(NAMES) == {"door-cut"}


def test_chosen_faults_may_strike_short_calls() -> None:
    wanted = _wanted(_parser().parse_args(["--short", "--only", "web-killed", "--seed", "7"]))
    assert [fault.name for fault in wanted.faults] == ["web-killed"]
    assert wanted.longest_s < 20 and wanted.seed == 7
    assert [fault.name for fault in _wanted(_parser().parse_args(["--short"])).faults] == list(SHORT)
