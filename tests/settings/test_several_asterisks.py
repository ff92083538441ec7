"""[[asterisk]]: several PBXes, each with a name, variables of its own, and its place in what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import InputError, SettingsError
from emocx_pbx.settings.reload import difference
from emocx_pbx.settings.settings import Settings, load

TWO = '[[asterisk]]\nname = "berlin"\nhost = "10.0.0.1"\n[[asterisk]]\nname = "wien-2"\nhost = "10.0.0.2"\n'


def read(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "emocx.toml"
    file.write_text(text)
    return load(file, environ)


def test_one_table_is_one_pbx_without_a_name(tmp_path: Path) -> None:
    settings = read(tmp_path, '[asterisk]\nhost = "10.0.0.1"\n', EMOCX_ASTERISK_SECRET="s")
    assert settings.each_pbx() == (settings.asterisk,) and settings.pbxes == ()
    assert (settings.asterisk.name, settings.asterisk.secret, settings.placing_pbx) == ("", "s", "")


def test_each_has_its_own_variables(tmp_path: Path) -> None:
    settings = read(
        tmp_path, TWO, EMOCX_ASTERISK_BERLIN_SECRET="b", EMOCX_ASTERISK_WIEN_2_SECRET="w",
        EMOCX_ASTERISK_WIEN_2_TLS_CA="/ca.pem", EMOCX_ASTERISK_BERLIN_PORT="5039",
    )  # fmt: skip
    berlin, vienna = settings.each_pbx()
    assert (berlin.name, berlin.host, berlin.port, berlin.secret) == ("berlin", "10.0.0.1", 5039, "b")
    assert (vienna.name, vienna.secret, vienna.tls_ca) == ("wien-2", "w", "/ca.pem")
    assert settings.placing_pbx == "berlin"


def test_credentials_are_files_of_the_same_names(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "EMOCX_ASTERISK_BERLIN_SECRET").write_text("hush\n")
    settings = read(tmp_path, TWO, CREDENTIALS_DIRECTORY=str(folder))
    assert settings.each_pbx()[0].secret == "hush"


def test_one_of_several_may_go_without_a_name_and_keeps_its_variables(tmp_path: Path) -> None:
    settings = read(tmp_path, TWO + "[[asterisk]]\n", EMOCX_ASTERISK_SECRET="old")
    assert [pbx.secret for pbx in settings.each_pbx()] == ["", "", "old"]


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        (TWO + '[[asterisk]]\nname = "berlin"\n', {}, "asterisk[2].name: expected names that differ"),
        ("[[asterisk]]\n[[asterisk]]\n", {}, "asterisk[1].name: expected names that differ"),
        ('[[asterisk]]\nname = "Berlin"\n', {}, "asterisk[0].name: expected up to 32 of a to z"),
        ('[asterisk]\nname = "a/b"\n', {}, "asterisk.name: expected up to 32"),
        ('[[asterisk]]\nname = "x"\nhosts = "y"\n', {}, "asterisk[0].hosts: unknown setting"),
        ('[[asterisk]]\nname = "x"\nport = "y"\n', {}, "asterisk[0].port: expected an integer"),
        ('[[asterisk]]\nname = "x"\ncallback_channel = "y"\n', {}, "asterisk[0].callback_channel: expected"),
        (TWO, {"EMOCX_ASTERISK_SECRET": "s"}, "EMOCX_ASTERISK_SECRET: unknown setting"),
        (TWO, {"EMOCX_ASTERISK_BERLIN_SECRT": "s"}, "did you mean EMOCX_ASTERISK_BERLIN_SECRET?"),
        (TWO + '[dialling]\npbx = "paris"\n', {}, "dialling.pbx: no PBX is called 'paris'"),
        (TWO + '[recordings]\npath = "/srv/{call_id}.wav"\n', {}, "recordings.path: expected {pbx}"),
        ("pbxes = []\n", {}, "pbxes: unknown setting"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text, **environ)
    assert said in str(refused.value)


def test_pbxes_that_come_or_go_need_a_restart(tmp_path: Path) -> None:
    found = difference(read(tmp_path, TWO), read(tmp_path, TWO + '[[asterisk]]\nname = "paris"\n'))
    assert (found.taken, found.restart) == ((), ("asterisk",))


def test_a_command_names_the_pbx_where_there_are_several(tmp_path: Path) -> None:
    settings = read(tmp_path, TWO)
    assert settings.pbx_named("wien-2").asterisk.host == "10.0.0.2"
    for name in (None, "paris"):
        with pytest.raises(InputError, match="berlin, wien-2"):
            settings.pbx_named(name)
    assert Settings().pbx_named(None) == Settings()
