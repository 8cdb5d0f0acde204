"""`rx-toppy bot`, `user` and `stats`: what they show, as JSON too, and what they refuse."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from rx_toppy.cli import main
from tests.cli import TOKEN, Served, posix_only, serving
from tests.standin import ThreadedStandIn, ok

ID = 264811613708746752
BOT = {
    "id": str(ID),
    "username": "Otter Bot",
    "shortdesc": "One line about otters.",
    "longdesc": "# Otters\n\n" + "They hold hands. " * 40,
    "tags": ["Fun", "Animals"],
    "prefix": "o!",
    "server_count": 12345,
    "shard_count": 8,
    "monthlyPoints": 678,
    "points": 91011,
    "certifiedBot": True,
    "date": "2021-08-24T21:32:55.642Z",
    "owners": ["12", "34"],
    "guilds": ["56"],
    "website": "https://otter.example",
    "support": "0tt3r",
    "github": "https://code.example/otter",
    "vanity": "otter",
    "donatebotguildid": "78",
    "avatar": "a1",
    "discriminator": "0",
}
USER = {
    "id": "12",
    "username": "ada",
    "discriminator": "0",
    "bio": "Counts otters.",
    "banner": "https://ada.example/banner.png",
    "color": "#abc",
    "social": {"github": "ada", "youtube": "adatube"},
    "certifiedDev": True,
    "supporter": True,
    "mod": True,
    "admin": False,
}


@pytest.fixture(autouse=True)
def token(monkeypatch) -> None:
    """The environment of somebody who has a token."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)


@pytest.fixture
def topgg() -> Iterator[ThreadedStandIn]:
    """A stand-in for top.gg that knows a bot, its numbers and a user."""
    with ThreadedStandIn() as topgg:
        topgg.reply(f"/bots/{ID}", json=BOT)
        topgg.reply("/users/12", json=USER)
        stats = {"server_count": 60, "shards": [10, 20, 30], "shard_count": 3}
        topgg.reply(f"/bots/{ID}/stats", json=stats)
        yield topgg


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A local top.gg."""
    with serving() as served:
        yield served


def printed(capsys, topgg: ThreadedStandIn, *arguments: str) -> str:
    """What a command prints."""
    assert main([*arguments, "--base-url", topgg.base_url]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def rows(out: str) -> dict[str, str]:
    """The names and values of a plain sheet."""
    return dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in out.splitlines()[1:])


# --- what they show ------------------------------------------------------------------------------


def test_a_bot_is_its_page(topgg, capsys):
    """All that is known has a line; the long text is cut, dates are days, invites are URLs."""
    out = printed(capsys, topgg, "bot", str(ID))
    assert out.splitlines()[0] == "Otter Bot"
    shown = rows(out)
    page = shown.pop("page")
    assert page.startswith("# Otters They hold hands. They")
    assert page.endswith("…")
    assert len(page) <= 300
    assert shown == {
        "id": str(ID),
        "about": "One line about otters.",
        "tags": "Fun, Animals",
        "prefix": "o!",
        "servers": "12,345",
        "shards": "8",
        "votes this month": "678",
        "votes in all": "91,011",
        "certified": "yes",
        "approved": "2021-08-24",
        "owners": "12, 34",
        "website": "https://otter.example",
        "support": "https://discord.gg/0tt3r",
        "code": "https://code.example/otter",
        "invite": f"https://discord.com/oauth2/authorize?client_id={ID}&scope=bot&permissions=0",
        "on top.gg": "https://top.gg/bot/otter",
    }


def test_a_user_is_their_profile(topgg, capsys):
    """A user's roles are in words; their accounts elsewhere have a line each."""
    out = printed(capsys, topgg, "user", "12")
    assert out.splitlines()[0] == "ada"
    assert rows(out) == {
        "id": "12",
        "bio": "Counts otters.",
        "roles": "develops a certified bot, supports top.gg, moderates top.gg",
        "colour": "#aabbcc",
        "youtube": "adatube",
        "github": "ada",
        "avatar": "https://cdn.discordapp.com/embed/avatars/0.png",
        "banner": "https://ada.example/banner.png",
        "on top.gg": "https://top.gg/user/12",
    }


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (
            {"server_count": 60, "shards": [10, 20, 30], "shard_count": 3},
            {
                "servers": "60",
                "shards": "3",
                "by shard": "0: 10, 1: 20, 2: 30",
                "reliable": "yes, the total is the sum of the shards",
            },
        ),
        (
            {"server_count": 1060, "shards": [1000]},
            {
                "servers": "1,060",
                "by shard": "0: 1,000",
                "reliable": "no, the sum of the shards is 1,000",
            },
        ),
        (
            {"server_count": 60, "shards": []},
            {"servers": "60", "reliable": "no, nothing is known by shard"},
        ),
        ({}, {"servers": "not posted yet", "reliable": "no, nothing is known by shard"}),
    ],
)
def test_stats_say_whether_they_are_reliable(topgg, capsys, sent, shown):
    """Servers and shards are told, and why their total can be relied upon or not."""
    topgg.reply(f"/bots/{ID}/stats", json=sent)
    out = printed(capsys, topgg, "stats", str(ID))
    assert out.splitlines()[0] == f"bot {ID}"
    assert rows(out) == shown


@pytest.mark.parametrize("command", ["bot", "user"])
def test_little_is_known_of_some(topgg, capsys, command):
    """Of whom only the id is known, that is shown, and nothing is made up."""
    topgg.default(ok({"id": "7"}))
    shown = rows(printed(capsys, topgg, command, "7"))
    more = {"invite"} if command == "bot" else {"avatar"}
    assert set(shown) == {"id", "on top.gg"} | more
    assert json.loads(printed(capsys, topgg, command, "7", "--json"))["id"] == "7"


@posix_only
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_gets_a_sheet_that_fits(topgg, terminal, width, rich):
    """By rich or without it no line is wider than the terminal, and every text is wrapped whole."""
    shown = terminal(width, "bot", str(ID), "--base-url", topgg.base_url, rich=rich)
    assert {cell_len(line) <= width for line in shown.splitlines()} == {True}
    assert ("╭─ Otter Bot ─" in shown) == rich
    joined = re.sub(r"[\s│]", "", shown)
    assert f"https://discord.com/oauth2/authorize?client_id={ID}&scope=bot&permissions=0" in joined
    assert joined.count("Theyholdhands.") == 17


@posix_only
@pytest.mark.parametrize("rich", [True, False])
def test_texts_cannot_move_the_cursor_or_pass_for_markup(topgg, terminal, rich):
    """Nothing that a profile holds is obeyed by a terminal, or taken for markup by rich."""
    hostile = "\x1b[2J\x9b31m\u202e[bold]x[/bold]\r\n\u2066:smile: 長い"
    names = ("username", "bio", "banner", "color")
    topgg.reply("/users/12", json={"id": "12"} | dict.fromkeys(names, hostile))
    shown = terminal(120, "user", "12", "--base-url", topgg.base_url, rich=rich)
    assert shown.count("[2J 31m [bold]x[/bold] :smile: 長い") == 3
    assert not set("\x1b\x9b\r\u202e\u2066") & set(shown)


# --- as JSON -------------------------------------------------------------------------------------


def test_a_bot_as_json(topgg, capsys):
    """One object with every documented field, nothing cut: ids as text, times in UTC."""
    out = printed(capsys, topgg, "bot", str(ID), "--json")
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "id": str(ID),
        "username": "Otter Bot",
        "short_description": "One line about otters.",
        "tags": ["Fun", "Animals"],
        "prefix": "o!",
        "server_count": 12345,
        "shard_count": 8,
        "monthly_votes": 678,
        "all_time_votes": 91011,
        "certified": True,
        "approved_at": "2021-08-24T21:32:55.642000Z",
        "owners": ["12", "34"],
        "website": "https://otter.example",
        "support": "0tt3r",
        "github": "https://code.example/otter",
        "invite": f"https://discord.com/oauth2/authorize?client_id={ID}&scope=bot&permissions=0",
        "vanity_uri": "otter",
        "long_description": BOT["longdesc"],
        "featured_guilds": ["56"],
        "donations_guild": "78",
        "avatar": "a1",
        "discriminator": "0",
    }


def test_a_user_as_json(topgg, capsys):
    """One object; colours are as #rrggbb, and what is not known is null."""
    assert json.loads(printed(capsys, topgg, "--json", "user", "12")) == {
        "id": "12",
        "name": "ada",
        "discriminator": "0",
        "bio": "Counts otters.",
        "colour": "#aabbcc",
        "certified": True,
        "supporter": True,
        "moderator": True,
        "admin": False,
        "avatar_url": "https://cdn.discordapp.com/embed/avatars/0.png",
        "banner_url": "https://ada.example/banner.png",
        "socials": {
            "youtube": "adatube",
            "reddit": None,
            "instagram": None,
            "github": "ada",
            "twitter": None,
        },
    }


def test_stats_as_json(topgg, capsys):
    """One object with the servers by shard id."""
    assert json.loads(printed(capsys, topgg, "stats", str(ID), "--json")) == {
        "id": str(ID),
        "server_count": 60,
        "shard_count": 3,
        "reliable": True,
        "shards": {"0": 10, "1": 20, "2": 30},
    }


def test_the_sandbox_answers_them_all(served, capsys):
    """A sandbox's bot, its owner and its stats can be looked up, in words and as JSON."""
    bot = str(served.sandbox.bot_id)
    assert main(["bot", bot, "--json", *served.base]) == 0
    found = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(found["approved_at"]).tzinfo == UTC
    for arguments in (["bot", bot], ["user", found["owners"][0]], ["stats", bot]):
        assert main([*arguments, *served.base]) == 0
        assert arguments[1] in capsys.readouterr().out


# --- what they refuse ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["bot", "user", "stats"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["someone"], "ID takes an id of digits only\n"),
        (["0"], "ID takes an id from 1 to 2**63-1\n"),
        ([], "the following arguments are required: ID\n"),
        (["7", "--base-url", "top.gg"], "--base-url takes an http or https URL without a query"),
    ],
)
def test_bad_arguments_are_one_line(capsys, command, arguments, said):
    """What can't be is refused in the command's own terms, before anything is sent."""
    with pytest.raises(SystemExit, match="2"):
        main([command, *arguments])
    last = capsys.readouterr().err.splitlines()[-1] + "\n"
    assert last.startswith(f"rx-toppy {command}: error: {said}")
