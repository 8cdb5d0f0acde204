"""A stand-in for Discord: what of its REST API and gateway a bot needs to log in and stay.

async with Discord(guilds=12) as discord:
    ...  # point a library at discord.api and discord.gateway; log in with TOKEN
    await discord.join()
    await discord.drop()
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

HOST = "127.0.0.1"
TOKEN = "discord-token"
BOT_ID = 264811613708746752
VOTER_ID = 140862798832861184
PATIENCE = 60.0  # of no matter where nothing hangs

# Gateway opcodes.
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT = 0, 1, 2, 6, 7
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11

# A connection on which nothing comes for a minute is given up by discord.py, whose own heartbeats
# come from a thread and in real time. Asked for one more often, it stays in any time.
HEARTBEAT_REQUESTS = 50.0


class Session:
    """What Discord knows of one login of one shard: it outlives its connection, to be resumed."""

    def __init__(self, id: str, shard: tuple[int, int]) -> None:
        self.id = id
        self.shard = shard
        self.sent: list[dict[str, Any]] = []
        self.socket: web.WebSocketResponse | None = None

    def has(self, guild: int) -> bool:
        """Whether a guild is on this session's shard."""
        shard, of = self.shard
        return (guild >> 22) % of == shard

    async def dispatch(self, event: str, data: dict[str, Any]) -> None:
        """Sends an event, or keeps it for when the session is resumed."""
        packet = _packet(DISPATCH, data, event, len(self.sent) + 1)
        self.sent.append(packet)
        await self.send(packet)

    async def send(self, packet: dict[str, Any]) -> None:
        """Sends a packet if anybody is there."""
        if self.socket is not None and not self.socket.closed:
            with suppress(ConnectionError):
                await self.socket.send_str(json.dumps(packet))


class Discord:
    """Discord on the loop that it is entered on.

    Args:
        guilds: How many guilds the bot is in at first.
        heartbeat_interval: Seconds between the heartbeats that a client is told to send.
    """

    def __init__(self, guilds: int = 0, heartbeat_interval: float = 41.25) -> None:
        self.guilds: dict[int, dict[str, Any]] = {}
        """The bot's guilds by id."""
        self.requests: list[str] = []
        """REST requests, as in "GET /users/@me"."""
        self.identified: list[tuple[int, int]] = []
        """(shard id, shard count) of every IDENTIFY, in order."""
        self.resumed = 0
        """How many sessions were resumed."""
        self.heartbeats = 0
        """How many heartbeats came."""
        self.ready = asyncio.Event()
        """READY is held back while this is not set; it is set at first."""
        self.ready.set()
        self.port = 0
        self._heartbeat_interval = heartbeat_interval
        self._sessions: dict[str, Session] = {}
        self._sockets: dict[web.WebSocketResponse, asyncio.Transport] = {}
        self._tasks: dict[web.WebSocketResponse, list[asyncio.Task[None]]] = {}
        self._numbers = count(1)
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        for _ in range(guilds):
            self._add_guild()

    @property
    def api(self) -> str:
        """The REST API's base URL."""
        return f"http://{HOST}:{self.port}/api/v10"

    @property
    def gateway(self) -> str:
        """The gateway's URL."""
        return f"ws://{HOST}:{self.port}/"

    @property
    def connections(self) -> int:
        """How many gateway connections are open."""
        return len(self._sockets)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/", self._serve_gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._serve_rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._hang_up(1001)
        await self._runner.cleanup()

    def on_shard(self, shard: int, of: int) -> int:
        """How many of the guilds are on a shard."""
        return sum((guild >> 22) % of == shard for guild in self.guilds)

    # --- what may happen -------------------------------------------------------------------------

    async def join(self, number: int = 1) -> None:
        """The bot joins some guilds."""
        for _ in range(number):
            guild = self._add_guild()
            for session in self._with(guild):
                await session.dispatch("GUILD_CREATE", self.guilds[guild])

    async def leave(self, number: int = 1) -> None:
        """The bot leaves some guilds."""
        for guild in list(self.guilds)[:number]:
            del self.guilds[guild]
            for session in self._with(guild):
                await session.dispatch("GUILD_DELETE", {"id": str(guild)})

    async def outage(self, number: int = 1) -> None:
        """Some guilds become unavailable, which is no leaving."""
        for guild in list(self.guilds)[:number]:
            for session in self._with(guild):
                await session.dispatch("GUILD_DELETE", {"id": str(guild), "unavailable": True})

    async def ask_to_reconnect(self) -> None:
        """Tells all clients to reconnect; their sessions can be resumed."""
        for session in self._sessions.values():
            await session.send(_packet(RECONNECT))

    async def drop(self, code: int = 4000) -> None:
        """Closes all connections; the sessions can be resumed."""
        await self._hang_up(code)

    def cut(self) -> None:
        """Breaks all connections without a word; the sessions can be resumed."""
        for transport in self._sockets.values():
            transport.abort()

    async def lose_sessions(self) -> None:
        """Closes all connections and forgets the sessions."""
        self._sessions.clear()
        await self._hang_up(4000)

    async def invalidate_sessions(self) -> None:
        """Tells all clients that their sessions are over."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.send(_packet(INVALID_SESSION, False))

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits until something about the gateway is true."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    # --- inside ----------------------------------------------------------------------------------

    def _add_guild(self) -> int:
        number = next(self._numbers)
        # The bits above the 22nd are what a guild's shard follows from.
        guild = number << 22
        self.guilds[guild] = _guild(guild, f"Guild {number}")
        return guild

    def _with(self, guild: int) -> Iterable[Session]:
        return [session for session in self._sessions.values() if session.has(guild)]

    async def _hang_up(self, code: int) -> None:
        await asyncio.gather(*(socket.close(code=code) for socket in list(self._sockets)))

    async def _serve_rest(self, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        self.requests.append(f"{request.method} {path}")
        if request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, 401)
        answers: dict[str, object] = {
            "/users/@me": _user(BOT_ID, "Luca", bot=True),
            "/oauth2/applications/@me": _application(),
            # What some libraries ask for by themselves.
            f"/applications/{BOT_ID}/commands": [],
            "/soundboard-default-sounds": [],
            "/gateway": {"url": self.gateway},
            "/gateway/bot": {"url": self.gateway, "shards": 2, "session_start_limit": _START_LIMIT},
        }
        if path not in answers:
            return _json({"message": "404: Not Found", "code": 0}, 404)
        return _json(answers[path])

    async def _serve_gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        self._sockets[socket] = request.transport
        self._tasks[socket] = [asyncio.create_task(self._ask_for_heartbeats(socket))]
        try:
            interval = round(self._heartbeat_interval * 1000)
            await socket.send_json(_packet(HELLO, {"heartbeat_interval": interval}))
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._received(socket, json.loads(message.data))
                    self._changed.set()
        except ConnectionError:
            pass  # a client that has gone in the middle of it
        finally:
            tasks = self._tasks.pop(socket)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            del self._sockets[socket]
            self._changed.set()
        return socket

    async def _ask_for_heartbeats(self, socket: web.WebSocketResponse) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_REQUESTS)
            await socket.send_json(_packet(HEARTBEAT))

    async def _received(self, socket: web.WebSocketResponse, packet: dict[str, Any]) -> None:
        op, data = packet["op"], packet["d"]
        if op == HEARTBEAT:
            self.heartbeats += 1
            await socket.send_json(_packet(HEARTBEAT_ACK))
        elif op in (IDENTIFY, RESUME) and data["token"].removeprefix("Bot ") != TOKEN:
            await socket.close(code=4004, message=b"Authentication failed.")
        elif op == IDENTIFY:
            shard, of = data.get("shard", (0, 1))
            self.identified.append((shard, of))
            session = Session(f"session-{len(self.identified)}", (shard, of))
            self._sessions[session.id] = session
            session.socket = socket
            # In a task of its own: while READY is held back, the client may yet say goodbye.
            self._tasks[socket].append(asyncio.create_task(self._greet(session)))
        elif op == RESUME:
            await self._resume(socket, data)

    async def _greet(self, session: Session) -> None:
        await self.ready.wait()
        mine = [guild for guild in self.guilds if session.has(guild)]
        await session.dispatch(
            "READY",
            {
                "v": 10,
                "user": _user(BOT_ID, "Luca", bot=True),
                "guilds": [{"id": str(guild), "unavailable": True} for guild in mine],
                "session_id": session.id,
                "resume_gateway_url": self.gateway,
                "shard": list(session.shard),
                "application": {"id": str(BOT_ID), "flags": 0},
            },
        )
        for guild in mine:
            # A guild that was told of in READY says that it is available; one that is joined not.
            await session.dispatch("GUILD_CREATE", self.guilds[guild] | {"unavailable": False})

    async def _resume(self, socket: web.WebSocketResponse, data: dict[str, Any]) -> None:
        session = self._sessions.get(data["session_id"])
        if session is None:
            await socket.send_json(_packet(INVALID_SESSION, False))
            return
        session.socket = socket
        for packet in session.sent[data["seq"] :]:
            await session.send(packet)
        await session.dispatch("RESUMED", {})
        self.resumed += 1


_START_LIMIT = {"total": 1000, "remaining": 999, "reset_after": 14400000, "max_concurrency": 1}


def _packet(
    op: int, data: object = None, event: str | None = None, number: int | None = None
) -> dict[str, Any]:
    return {"op": op, "d": data, "t": event, "s": number}


def _json(data: object, status: int = 200) -> web.Response:
    # With a charset behind it discord.py would not take it for JSON.
    headers = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=headers)


def _user(id: int, name: str, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": str(id),
        "username": name,
        "discriminator": "0",
        "global_name": None,
        "avatar": None,
        "bot": bot,
    }


def _application() -> dict[str, Any]:
    return {
        "id": str(BOT_ID),
        "name": "Luca",
        "icon": None,
        "description": "",
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "00",
        "flags": 0,
        "owner": _user(VOTER_ID, "owner"),
        "team": None,
    }


def _guild(id: int, name: str) -> dict[str, Any]:
    members = [_user(BOT_ID, "Luca", bot=True), _user(VOTER_ID, "owner")]
    return {
        "id": str(id),
        "name": name,
        "icon": None,
        "owner_id": str(VOTER_ID),
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "system_channel_flags": 0,
        "afk_timeout": 300,
        "roles": [_everyone(id)],
        "emojis": [],
        "stickers": [],
        "features": [],
        "channels": [],
        "threads": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "large": False,
        "member_count": len(members),
        "members": [_member(user) for user in members],
    }


def _everyone(guild: int) -> dict[str, Any]:
    return {
        "id": str(guild),
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0,
        "permissions": "0",
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }


def _member(user: dict[str, Any]) -> dict[str, Any]:
    return {
        "user": user,
        "nick": None,
        "roles": [],
        "joined_at": "2024-05-01T12:00:00+00:00",
        "deaf": False,
        "mute": False,
        "flags": 0,
    }
