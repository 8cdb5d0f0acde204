"""The floor: what somebody in a hurry would write with aiohttp and msgspec, and nothing else."""

from __future__ import annotations

from datetime import datetime

import aiohttp
import msgspec

TOKEN = "benchmark-token"


class PlainBot(msgspec.Struct):
    """A bot."""

    id: str
    username: str
    discriminator: str
    avatar: str | None
    defAvatar: str | None  # noqa: N815
    lib: str | None
    prefix: str | None
    shortdesc: str | None
    longdesc: str | None
    tags: list[str]
    website: str | None
    support: str | None
    github: str | None
    owners: list[str]
    guilds: list[str]
    invite: str | None
    date: str | None
    server_count: int | None
    shard_count: int | None
    certifiedBot: bool  # noqa: N815
    vanity: str | None
    points: int
    monthlyPoints: int  # noqa: N815
    donatebotguildid: str | None


class PlainPage(msgspec.Struct):
    """A page of bots."""

    results: list[PlainBot]
    limit: int
    offset: int
    count: int
    total: int


class PlainVote(msgspec.Struct):
    """A vote of the history."""

    user_id: str
    platform_id: str
    weight: int
    created_at: datetime
    expires_at: datetime


class PlainVotes(msgspec.Struct):
    """A page of them."""

    cursor: str
    data: list[PlainVote]


class Bare:
    """A client that asks, decodes and hopes."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._get = session.get
        self._url = base_url + "/api"
        self._headers = {"Authorization": TOKEN}
        self._bot = msgspec.json.Decoder(PlainBot)
        self._page = msgspec.json.Decoder(PlainPage)
        self._votes = msgspec.json.Decoder(PlainVotes)

    async def fetch_bot(self, id: int) -> PlainBot:
        async with self._get(f"{self._url}/bots/{id}", headers=self._headers) as response:
            return self._bot.decode(await response.read())

    async def fetch_page(self, offset: int) -> PlainPage:
        url = f"{self._url}/bots?limit=500&offset={offset}"
        async with self._get(url, headers=self._headers) as response:
            return self._page.decode(await response.read())

    async def fetch_votes(self, cursor: str) -> PlainVotes:
        url = f"{self._url}/v1/projects/@me/votes?cursor={cursor}"
        async with self._get(url, headers=self._headers) as response:
            return self._votes.decode(await response.read())
