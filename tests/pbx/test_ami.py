"""The AMI gateway against a fake Asterisk: links, answers, events, restarts, TLS."""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pbx.ami_bench import gateway
from pbx.fake_ami import FakeAmi, message, within

from emocx_pbx.errors import PeerUnavailable, RefusedError, SettingsError
from emocx_pbx.pbx.ami.gateway import AmiGateway
from emocx_pbx.pbx.ami.link import AmiLink, LinkProtocol
from emocx_pbx.settings.settings import AsteriskSettings


@pytest.mark.parametrize("auth", ["md5", "plain"])
async def test_login_and_going_up(auth: str) -> None:
    async with FakeAmi() as ami, gateway(ami, auth=auth) as hub:
        await hub.up()
        assert hub.states[-1].version == "22.10.1"
        assert not hub.states[-1].restarted
        login = ami.seen("Login")[0]
        assert ("Secret" in login) == (auth == "plain")
        assert hub.gateway.state is hub.states[-1]


async def test_an_action_and_a_refusal() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        answer = await hub.gateway.action(
            "Setvar", {"Channel": "PJSIP/a-1", "Variable": "A", "Value": "é: 1"}
        )
        assert answer.headers["Response"] == "Success" and answer.events == ()
        assert ami.seen("Setvar")[0]["Value"] == "é: 1"
        with pytest.raises(RefusedError, match="Channel does not exist"):
            await hub.gateway.action("Redirect", {"Channel": "gone"})


async def test_repeated_headers_go_out_and_come_in() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        await hub.gateway.action("Originate", {"Variable": ["A=1", "B=2"], "ActionID": "tap-1"})
        sent = next(headers for headers in ami.actions if ("Action", "Originate") in headers)
        assert [value for key, value in sent if key == "Variable"] == ["A=1", "B=2"]
        ami.send(message(("Event", "Hangup"), ("ChanVariable", "A=1"), ("ChanVariable", "B=")))
        await hub.until(lambda: "Hangup" in hub.names)
        assert hub.events[-1]["ChanVariable"].split("\n") == ["A=1", "B="]


async def test_a_list_comes_whole_and_its_items_are_no_events() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        answer = await hub.gateway.action("Status")
        assert [event["Event"] for event in answer.events] == ["Status", "Status", "StatusComplete"]
        assert [event.get("Channel") for event in answer.events[:2]] == ["PJSIP/a-1", "PJSIP/b-2"]
        assert "Status" not in hub.names


async def test_events_amid_a_list_are_told_and_not_collected() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.answers["Status"] = lambda action: (
            message(("Response", "Success"), ("ActionID", action["ActionID"]), ("EventList", "start"))
            + message(("Event", "Newchannel"), ("Channel", "PJSIP/c-3"))
            + message(
                ("Event", "StatusComplete"), ("ActionID", action["ActionID"]), ("EventList", "Complete")
            )
        )
        answer = await hub.gateway.action("Status")
        assert len(answer.events) == 1
        assert hub.names[-1] == "Newchannel"


async def test_the_originate_response_is_an_event_even_when_it_overtakes_the_answer() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        await hub.gateway.action("Originate", {"ActionID": "one"})
        ami.answers["Originate"] = lambda action: (
            message(("Event", "OriginateResponse"), ("ActionID", "two"), ("Response", "Failure"))
            + message(("Response", "Success"), ("ActionID", "two"))
        )
        await hub.gateway.action("Originate", {"ActionID": "two"})
        observed = [(e["ActionID"], e["Response"]) for e in hub.events if e["Event"] == "OriginateResponse"]
        assert observed == [("one", "Success"), ("two", "Failure")]


async def test_items_of_a_list_past_its_deadline_never_turn_up_as_events() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.mute.add("QueueStatus")
        with pytest.raises(PeerUnavailable, match="no answer to QueueStatus"):
            await hub.gateway.action("QueueStatus", {"ActionID": "late"}, deadline_s=0.02)
        late = ("ActionID", "late")
        ami.send(message(("Response", "Success"), late, ("EventList", "start")))
        ami.send(message(("Event", "QueueEntry"), late))
        ami.send(message(("Event", "QueueStatusComplete"), late, ("EventList", "Complete")))
        ami.event("Marker")
        await hub.until(lambda: "Marker" in hub.names)
        assert "QueueEntry" not in hub.names and "QueueStatusComplete" not in hub.names


async def test_actions_without_a_link_are_refused_at_once() -> None:
    idle = AmiGateway(AsteriskSettings(), lambda event: None, lambda state: None)
    with pytest.raises(PeerUnavailable, match="not yet connected"):
        await idle.action("Ping")


async def test_a_controller_that_may_not_act_looks_and_changes_nothing() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        hub.may_act = False
        with pytest.raises(PeerUnavailable, match="another controller may act"):
            await hub.gateway.action("QueuePenalty", {"Interface": "PJSIP/a", "Penalty": "1"})
        await hub.gateway.action("Ping")
        assert ami.seen("Ping") and not ami.seen("QueuePenalty")
        hub.may_act = True
        await hub.gateway.action("QueuePenalty", {"Interface": "PJSIP/a", "Penalty": "1"})
        assert ami.seen("QueuePenalty")


async def test_events_follow_up_and_precede_down() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.event("One")
        ami.event("Two")
        await hub.until(lambda: "Two" in hub.names)
        await ami.cut()
        await hub.until(lambda: hub.timeline[-1] == "FullyBooted")
        assert hub.timeline == ["up", "FullyBooted", "One", "Two", "down", "up", "FullyBooted"]


async def test_a_faulty_listener_costs_neither_link_nor_the_next_events() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        hub.fail_on = "Bad"
        ami.event("Bad")
        ami.event("Good")
        await hub.until(lambda: "Good" in hub.names)
        assert hub.counts["ami_handler_failed"] == 1
        assert hub.gateway.state.up


@pytest.mark.parametrize("rights", ["reporting", "system"])
async def test_a_restart_of_asterisk_is_told_apart_from_a_lost_link(rights: str) -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        ami.reporting, ami.system = rights == "reporting", rights == "system"
        await hub.up()
        await ami.cut()
        await hub.up(2)
        assert not hub.ups[1].restarted
        ami.startup, ami.uptime = ("2026-11-24", "09:30:00"), 3
        await ami.cut()
        await hub.up(3)
        assert hub.ups[2].restarted
        await ami.cut()
        await hub.up(4)
        assert not hub.ups[3].restarted


async def test_without_any_rights_the_link_still_goes_up_with_the_oldest_version_it_can_be() -> None:
    async with FakeAmi() as ami:
        ami.reporting = ami.system = False
        async with gateway(ami) as hub:
            await hub.up()
            assert hub.states[-1].version == "22.0.0"


async def test_fully_booted_after_going_up_is_announced_again() -> None:
    async with FakeAmi() as ami:
        ami.system = False
        async with gateway(ami) as hub:
            await hub.up()
            ami.send(ami.fully_booted())
            await hub.until(lambda: "FullyBooted" in hub.names)
            assert hub.timeline == ["up", "up", "FullyBooted"]


async def test_waits_grow_while_nobody_answers_and_the_reason_is_told_once() -> None:
    async with FakeAmi() as ami:
        await ami.stop()
        async with gateway(ami, rng=random.Random(7)) as hub:
            await hub.until(lambda: len(hub.waits) > 9)
            assert hub.waits[0] <= 0.5 < 2 <= hub.waits[9] <= 4
            assert hub.timeline == ["down"]
            assert "can't connect" in hub.states[0].reason
            await ami.start()
            await hub.up()


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n", "not an Asterisk manager interface"), (b"", "no answer from")],
)
async def test_a_stranger_on_the_port_is_named(greeting: bytes, reason: str) -> None:
    async with FakeAmi() as ami:
        ami.greeting = greeting
        async with gateway(ami, action_timeout_s=0.2) as hub:
            await hub.until(lambda: bool(hub.states))
            assert reason in hub.states[0].reason
            assert not ami.actions


async def test_a_message_without_end_ends_the_link_instead_of_memory() -> None:
    async with FakeAmi() as ami, gateway(ami, ping_s=60.0) as hub:
        await hub.up()
        ami.send(b"Event: Endless\r\n" + b"Header: x\r\n" * 120_000)
        await hub.until(lambda: not hub.states[-1].up)
        assert "message of more than" in hub.states[-1].reason


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])), max_size=5), st.data())
@settings(max_examples=60)
def test_any_split_of_the_stream_gives_the_same_events(values: list[str], data: st.DataObject) -> None:
    stream = b"Asterisk Call Manager/11.0.0\r\n"
    stream += b"".join(message(("Event", "E"), ("Value", value)) for value in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))

    async def events() -> list[str]:
        found: list[str] = []
        link = AmiLink("", 0, None, lambda event: found.append(event["Value"]))
        protocol = LinkProtocol(link)
        protocol.connection_made(asyncio.Transport())
        for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            protocol.data_received(stream[a:b])
        assert link.ami_version == "" and protocol.version == "11.0.0"
        return found

    assert asyncio.run(events()) == values


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    ask = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pbx"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*ask.split(), *names], check=True, capture_output=True)
    return key, cert


async def test_tls_with_the_right_ca_only(certificate: tuple[Path, Path]) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with FakeAmi(tls=context) as ami:
        async with gateway(ami, tls=True, tls_ca=str(cert)) as hub:
            await hub.up()
            assert (await hub.gateway.action("Ping")).headers["Ping"] == "Pong"
        async with gateway(ami, tls=True) as hub:
            await hub.until(lambda: bool(hub.states))
            assert hub.states[0].reason.startswith("TLS: certificate refused")
        async with gateway(ami, action_timeout_s=0.2) as hub:  # plain to a TLS port
            await hub.until(lambda: bool(hub.states))
            assert not hub.states[0].up


def test_an_unreadable_ca_is_a_wrong_setting(tmp_path: Path) -> None:
    for text in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if text:
            path.write_text(text)
        with pytest.raises(SettingsError, match=r"asterisk\.tls_ca"):
            AmiGateway(AsteriskSettings(tls=True, tls_ca=str(path)), lambda event: None, lambda state: None)


async def test_cancelling_run_ends_everything_that_waits() -> None:
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.mute.add("Getvar")
        waiting = asyncio.ensure_future(hub.gateway.action("Getvar", {"Variable": "A"}, deadline_s=60))
        await ami.until(lambda: bool(ami.seen("Getvar")))
        hub.task.cancel()
        with pytest.raises(PeerUnavailable):
            await within(waiting)
        assert not hub.gateway.state.up


@pytest.mark.parametrize("header", ["ActionID", "Event", "EventList", "Response", "CommandID", "UserEvent"])
async def test_repeated_headers_of_a_sites_own_event_never_cut_the_link(header: str) -> None:
    async with FakeAmi() as ami, gateway(ami, ping_s=60.0) as hub:
        await hub.up()
        ami.send(message(("Event", "UserEvent"), ("UserEvent", "site"), (header, "a"), (header, "b")))
        ami.send(message(("Event", "UserEvent"), ("event", "Hangup"), ("Uniqueid", "1.1")))
        ami.send(message(("Event", "Last")))
        await hub.until(lambda: any(event.get("Event") == "Last" for event in hub.events))
        assert hub.states[-1].up
        # What a site adds is no event of Asterisk's, however it is spelled.
        assert not [event for event in hub.events if event["Event"] == "Hangup"]
