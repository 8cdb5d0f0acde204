"""`rx-toppy` itself: its help, its versions, and what it refuses."""

import re
import sys
import tomllib
from importlib import metadata

import pytest

import rx_toppy
from rx_toppy.cli import main
from rx_toppy.cli.demo import run as demo
from tests.cli import ROOT, SCRIPT, finished


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e999", "soon", ""])
def test_bad_seconds_are_refused(capsys, seconds):
    """What is no number of seconds above 0 is refused with a line that says what is."""
    with pytest.raises(SystemExit, match="2"):
        main(["demo", f"--seconds={seconds}"])
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "rx-toppy demo: error: argument --seconds: "
        f"takes a number of seconds above 0, not {seconds!r}"
    )


def test_an_unknown_command_is_refused(capsys):
    """An unknown command is an error that names those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["dmeo"])
    assert "demo" in capsys.readouterr().err


def test_no_arguments_print_help(capsys):
    """Without arguments there is help, with the commands in it, and that is no failure."""
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: rx-toppy ")
    assert re.search(r"^    demo +\S", out, re.MULTILINE)
    assert err == ""


def test_version_tells_all_versions(capsys):
    """`--version` has a line for the library, for Python and for each library that takes part."""
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    versions = {line.split()[0]: line.split()[1] for line in lines}
    assert versions["rx_toppy"] == rx_toppy.__version__
    assert versions["Python"] == ".".join(map(str, sys.version_info[:3]))
    for name in ("aiohttp", "reactivex", "msgspec"):
        assert versions[name] == metadata.version(name)


@pytest.mark.parametrize("library", ["discord.py", "py-cord", "nextcord", "disnake", None])
def test_version_names_the_discord_library(capsys, monkeypatch, library):
    """The Discord library that is installed is named, whichever it is; so is that there is none."""
    version = metadata.version

    def only_one(name: str) -> str:
        if name in ("discord.py", "py-cord", "nextcord", "disnake"):
            if name == library:
                return "1.2.3"
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", only_one)
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    last = f"{library} 1.2.3" if library else "discord not installed"
    assert len(lines) == 6
    assert lines[-1].split() == last.split()


def test_module_and_script_are_the_same():
    """`python -m rx_toppy` is the command `rx-toppy`, which is installed as that."""
    module = finished("--version", is_new=True)
    assert module == finished("--version", code=SCRIPT, is_new=True) == finished("--version")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"rx-toppy": "rx_toppy.cli:main"}


def test_an_interrupt_before_anything_runs_is_quiet(capsys, monkeypatch):
    """Ctrl-C while a command still starts is the shell's usual 130, without a traceback."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")
