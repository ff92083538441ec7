"""Settings are read, overridden and refused as administrators are told."""

from __future__ import annotations

import base64
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.sample import field_docs, sample_toml, sections, settings_table
from emocx_pbx.settings.settings import AnalysisSettings, Settings, is_loopback, load

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "settings.md"


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "emocx.toml"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file(tmp_path, text), environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_file_gives_the_defaults() -> None:
    assert load(None, {}) == Settings()


def test_the_file_named_in_the_environment_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, "[asterisk]\nport = 5039\n")
    assert load(None, {"EMOCX_CONFIG": str(path)}).asterisk.port == 5039


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, "[asterisk]\nport = 5039\nhost = 'pbx'\n[routing]\nholdout = 0.1\n")
    environ = {
        "EMOCX_ASTERISK_PORT": "5040",
        "EMOCX_ASTERISK_TLS": "true",
        "EMOCX_ROUTING_HOLDOUT": "0.25",
        "EMOCX_ANALYSIS_BASE_PORT": "0",
        "HOME": "/root",
        "EMOCX_DEMO_CACHE": "x",
    }
    settings = load(path, environ)
    assert (settings.asterisk.port, settings.asterisk.tls, settings.asterisk.host) == (5040, True, "pbx")
    assert settings.routing.holdout == 0.25
    assert settings.analysis.base_port == 0


def test_a_webhook_secret_may_come_from_the_environment(tmp_path: Path) -> None:
    path = file(tmp_path, '[[webhooks]]\nname = "my crm"\nurl = "https://a.example/"\nsecret = ""\n')
    assert load(path, {"EMOCX_WEBHOOKS_MY_CRM_SECRET": SECRET}).webhooks[0].secret == SECRET


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[asterisk]\nport = "x"', 'asterisk.port: expected an integer from 0 to 65535, got "x"'),
        ("[asterisk]\nport = 70000", "asterisk.port: expected an integer from 0 to 65535, got 70000"),
        ("[asterisk]\nprot = 1", "asterisk.prot: unknown setting; did you mean port?"),
        ("[asteriks]\nport = 1", "asteriks: unknown setting; did you mean asterisk?"),
        ("asterisk = 3", "asterisk: expected a table, got 3"),
        ("[http]\nbehind_proxy = 1", "http.behind_proxy: expected true or false, got 1"),
        ("[routing]\nholdout = 2", "routing.holdout: expected a number from 0 to 0.9, got 2"),
        (
            "[asterisk]\nping_s = 0",
            "asterisk.ping_s: expected a number over 0 and at most 86400, got 0",
        ),
        ('[routing]\nmode = "on"', 'routing.mode: expected one of "active", "monitor", got "on"'),
        ("[asterisk]\nsecret = 12345", "asterisk.secret: expected a string, got something else"),
        ("[webhooks]\nname = 1", 'webhooks: expected a list of tables, got {"name": 1}'),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://b.example"',
            "webhooks[0].secret: missing; expected a string",
        ),
        ('directory = "/"', "directory: unknown setting"),
        (
            '[http]\nhost = "0.0.0.0"',
            "http.host: expected 127.0.0.1, or http.behind_proxy = true, or TLS, got 0.0.0.0",
        ),
        (
            '[http]\nhost = "::"\napi_token = "a token of 24 characters"',
            "http.host: expected 127.0.0.1, or http.behind_proxy = true, or TLS, got ::",
        ),
        ("[analysis]\nbase_port = 65530\nworkers = 8", "analysis.base_port: leaves no port"),
        ('[asterisk]\nagent_name_regex = "("', "asterisk.agent_name_regex: is not a regular expression"),
        (
            '[asterisk]\nagent_name_regex = "a"',
            "asterisk.agent_name_regex: expected exactly one group, got 0",
        ),
        ('[asterisk]\ncallback_channel = "Local/1@x"', "asterisk.callback_channel: expected {number}"),
        (
            f'[[webhooks]]\nname = "a"\nurl = "ftp://b"\nsecret = "{SECRET}"',
            "webhooks[0].url: expected an address that begins with https:// or http://",
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://b.example"\nsecret = "whsec_c2hvcnQ="',
            "webhooks[0].secret: expected whsec_ and the base64 of 24 to 64 random bytes",
        ),
        (
            f'[[webhooks]]\nname="a"\nurl="https://b.example"\nsecret="{SECRET}"\nevents=["call.grade"]',
            "webhooks[0].events: 'call.grade' is no event type; did you mean call.graded?",
        ),
    ],
)
def test_wrong_settings_are_refused_by_place(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(f"emocx.toml: {message}")


def test_files_that_are_not_settings(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[asterisk").startswith("emocx.toml: is not TOML: ")
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        load(tmp_path / "absent.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        load(tmp_path / "latin.toml", {})


def test_wrong_variables_are_refused_by_name(tmp_path: Path) -> None:
    assert refusal(tmp_path, "", EMOCX_ASTERISK_PORT="x") == (
        'environment: EMOCX_ASTERISK_PORT: expected an integer from 0 to 65535, got "x"'
    )
    assert refusal(tmp_path, "", EMOCX_ASTERISK_PROT="1") == (
        "environment: EMOCX_ASTERISK_PROT: unknown setting; did you mean EMOCX_ASTERISK_PORT?"
    )
    assert refusal(tmp_path, "", EMOCX_DIRECTORY="/").startswith("environment: EMOCX_DIRECTORY: unknown")


def test_what_building_is_told_stops_no_command() -> None:
    observed = {
        name
        for folder in ("scripts", "packaging")
        for path in (ROOT / folder).rglob("*.sh")
        for name in re.findall(r"EMOCX_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    assert {"EMOCX_BUILD_CA", "EMOCX_BUILD_APT", "EMOCX_WEIGHTS_FROM"} <= observed
    assert load(None, dict.fromkeys(observed, "x")) == Settings()


def test_secrets_are_never_repeated(tmp_path: Path) -> None:
    text = '[[webhooks]]\nname = "a"\nurl = "https://b.example"\nsecret = "hunter2"'
    assert "hunter2" not in refusal(tmp_path, text)


def test_paths_start_from_the_settings_file(tmp_path: Path) -> None:
    text = '[routing]\npolicy = "p.toml"\n[store]\npath = "/var/x.db"\n[analysis]\nmodels_dir = "m"\n'
    settings = load(file(tmp_path, text), {})
    assert settings.policy_path() == tmp_path / "p.toml"
    assert settings.store_path() == Path("/var/x.db")
    assert settings.analysis.models_dir == str(tmp_path / "m")
    assert settings.models_path() == tmp_path / "m"
    assert settings.rubric_path() is None
    assert settings.analysis.transcriber == "auto"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("pbx.example", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    read = load(file(tmp_path, sample_toml()), {})
    assert msgspec.structs.replace(read, directory="", file="") == Settings()


def test_the_sample_uncommented_is_the_defaults_and_one_webhook(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=\S)", "", sample_toml(SECRET), flags=re.MULTILINE)
    assert set(tomllib.loads(text)) == {name for name, _ in sections()}
    settings = load(file(tmp_path, text), {})
    assert settings.asterisk == Settings().asterisk
    assert settings.analysis == AnalysisSettings()
    assert [hook.name for hook in settings.webhooks] == ["crm"]


def test_every_setting_has_a_docstring() -> None:
    for _, cls in sections():
        assert set(field_docs(cls)) == set(cls.__struct_fields__)


def test_the_docs_hold_the_table_of_settings() -> None:
    # Made by `emocx-pbx init --table`; the page's words stand above it.
    assert settings_table() in DOCS.read_text()
