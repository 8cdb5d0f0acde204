"""The commands of a real Discord library, without any connection to Discord."""

from __future__ import annotations

import json
import warnings
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest

from tests.conftest import MakeClient
from tests.standin import StandIn, status

try:
    distribution("discord.py")
except PackageNotFoundError:  # or what is called `discord` is another library
    pytest.skip("discord.py is not installed", allow_module_level=True)

with warnings.catch_warnings():
    # discord.py plays sound with a module that Python 3.13 no longer has.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    from discord import app_commands

PAYLOAD: dict[str, Any] = {
    "id": "846097297812455424",
    "application_id": "775799577604522054",
    "version": "846097297812455425",
    "type": 1,
    "name": "play",
    "description": "Plays something",
    "options": [
        {
            "type": 1,
            "name": "song",
            "description": "One song",
            "options": [
                {
                    "type": 3,
                    "name": "title",
                    "description": "Which",
                    "required": True,
                    "choices": [{"name": "Any", "value": "any"}],
                }
            ],
        }
    ],
}


async def test_commands_as_discord_py_fetches_them(topgg: StandIn, make_client: MakeClient) -> None:
    """What `bot.tree.fetch_commands()` gives can be handed in as it is; its ids arrive exactly."""
    topgg.default(status(204))
    fetched: Any = app_commands.AppCommand(data=PAYLOAD, state=None)  # type: ignore[arg-type]
    await make_client().project.post_commands([fetched])
    (sent,) = json.loads(topgg.seen[0].body)
    for name in ("id", "application_id", "type", "name", "description"):
        assert sent[name] == PAYLOAD[name]
    (group,) = sent["options"]
    assert (group["type"], group["name"]) == (1, "song")
    (title,) = group["options"]
    assert (title["name"], title["required"]) == ("title", True)
    assert title["choices"] == [{"name": "Any", "value": "any"}]


async def test_commands_as_they_are_defined_are_refused(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Discord does not know these yet; the error names what to give instead."""

    @app_commands.command(name="play", description="Plays something")
    async def play(interaction: discord.Interaction) -> None: ...

    with pytest.raises(TypeError, match=r"fetch_commands\(\)"):
        make_client().project.post_commands([play])
    assert topgg.seen == []
