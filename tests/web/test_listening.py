"""The door that the HTTP server opens: TLS of its own, and the first administrator's link on the console."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from web.web_site import PASSWORD, Site, open_site

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import HttpSettings, Settings, load
from emocx_pbx.web.identity import links
from emocx_pbx.web.identity.links import announce_first_link
from emocx_pbx.web.listening import listen

TLS = Path(__file__).parents[1] / "data" / "tls"


async def opened(tmp_path: Path, **http: Any) -> Site:
    return await open_site(tmp_path, Settings(directory=str(tmp_path), http=HttpSettings(port=0, **http)))


async def test_with_a_certificate_it_speaks_https_alone(tmp_path: Path) -> None:
    site = await opened(tmp_path, tls_cert=str(TLS / "cert.pem"), tls_key=str(TLS / "key.pem"))
    await site.user("ann", "supervisor")
    listening = await listen(site.app, site.settings, site.store.accounts, site.deeds)
    port = listening.port
    trusting = ssl.create_default_context(cafile=TLS / "cert.pem")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        url = f"https://localhost:{port}"
        async with http.get(f"{url}/login", ssl=trusting) as response:
            assert response.headers["Strict-Transport-Security"].startswith("max-age=")
            cookie = response.headers["Set-Cookie"]
            token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
        assert cookie.startswith("__Host-emocx-form=") and "Secure" in cookie
        assert token
        form = {"csrf": token[1], "name": "ann", "password": PASSWORD}
        async with http.post(f"{url}/login", data=form, ssl=trusting, allow_redirects=False) as response:
            assert response.status == 303
            assert "__Host-emocx-session=" in response.headers["Set-Cookie"]
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://localhost:{port}/login")
    await listening.stop()
    await site.stop()
    await site.store.close()


async def test_files_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    site = await opened(tmp_path, tls_cert="cert.pem", tls_key="cert.pem")
    with pytest.raises(SettingsError, match=r"http\.tls_cert, tls_key: can't be used"):
        await listen(site.app, site.settings, site.store.accounts, site.deeds)
    await site.stop()
    await site.store.close()


async def test_the_first_link_is_on_the_console_until_there_is_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "TERMINAL", tmp_path / "no" / "tty")
    site = await opened(tmp_path, public_url="https://pbx.example/")
    listening = await listen(site.app, site.settings, site.store.accounts, site.deeds)
    out, err = capsys.readouterr()
    assert out == "" and re.search(r"\n    https://pbx\.example/link/[\w-]{43}\n", err)
    await listening.stop()
    await site.user("root", "admin")
    second = await opened(tmp_path)
    listening = await listen(second.app, second.settings, second.store.accounts, second.deeds)
    assert capsys.readouterr() == ("", "")
    await listening.stop()
    for opened_site in (site, second):
        await opened_site.stop()
        await opened_site.store.close()


async def test_the_first_link_goes_to_the_terminal_and_not_to_the_journal(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = tmp_path / "tty"
    terminal.touch()
    await announce_first_link(site.store.accounts, site.deeds, HttpSettings(), 8085, terminal)
    assert capsys.readouterr() == ("", "")
    assert "http://127.0.0.1:8085/link/" in terminal.read_text()
    await announce_first_link(site.store.accounts, site.deeds, HttpSettings(), 8085, tmp_path / "no" / "tty")
    assert "http://127.0.0.1:8085/link/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('host = "0.0.0.0"\napi_token = "a token of 24 characters"', "http.host: expected 127.0.0.1"),
        ('api_token = "23 characters are too f"', "http.api_token: expected at least 24 characters"),
        ('trusted_proxies = ["x"]', "http.trusted_proxies.0.: expected an address"),
        ("open_to_this_machine = true\nbehind_proxy = true", "http.open_to_this_machine: expected"),
        ('tls_cert = "x"', "http.tls_key: expected tls_cert and tls_key together"),
        ('public_url = "pbx.example"', "http.public_url: expected an address"),
    ],
)
def test_an_open_door_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "emocx.toml").write_text(f"[http]\n{text}\n")
    with pytest.raises(SettingsError, match=problem):
        load(tmp_path / "emocx.toml", {})


def test_another_address_needs_tls_or_a_proxy(tmp_path: Path) -> None:
    for text in ("behind_proxy = true", 'tls_cert = "c"\ntls_key = "k"'):
        (tmp_path / "emocx.toml").write_text(
            f'[http]\nhost = "0.0.0.0"\napi_token = "a token of 24 characters"\n{text}\n'
        )
        assert load(tmp_path / "emocx.toml", {}).http.host == "0.0.0.0"
