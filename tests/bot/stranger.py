"""A stranger's bot, for a process of its own: its library, kind, addresses and end are arguments.

It imports nothing of the tests, so that it runs wherever the library and rx_toppy are installed.
"""

import importlib
import inspect
import json
import logging
import sys

import yarl

from rx_toppy import TopGG

library, kind, api, gateway, base_url, end = sys.argv[1:]
module = importlib.import_module(library)
commands = importlib.import_module(f"{library}.ext.commands")

# With `-X dev` asyncio says what took long, which on a busy machine is anything.
logging.getLogger("asyncio").addFilter(lambda said: not str(said.msg).startswith("Executing "))

# Where each of them keeps the way to Discord.
module.http.Route.BASE = module.http.Route.API_BASE_URL = api
module.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


async def at_once(self, shard_id, *, initial=False):
    """Instead of the five seconds between two shards."""


module.Client.before_identify_hook = at_once

make = getattr(module, kind, None) or getattr(commands, kind)
options = {"intents": module.Intents.default(), "guild_ready_timeout": 0.2}
if issubclass(make, commands.bot.BotBase):
    options["command_prefix"] = commands.when_mentioned

bot = make(**options)
client = TopGG(bot, token="topgg-token", base_url=base_url)


heard = []


@bot.event
async def on_toppy_request(url, method):
    heard.append(("request", method, url.removeprefix(base_url)))


@bot.event
async def on_guild_post(stats):
    heard.append(("post", stats))


@bot.event
async def on_toppy_stat_autopost(stats):
    heard.append(("autopost", stats))
    me = await client.fetch_bot(bot.user)
    print(json.dumps({"heard": heard, "is_me": me.user(bot) is bot.get_user(me.id)}), flush=True)
    if end == "close":
        await bot.close()


# discord.py alone sets logging up, unless it is told not to.
quiet = {"log_handler": None} if "log_handler" in inspect.signature(bot.run).parameters else {}
try:
    bot.run("discord-token", **quiet)
except RuntimeError as error:
    # py-cord ends its HTTP session before its gateway, and trips over that by itself.
    if library != "discord" or quiet or str(error) != "Session is closed":
        raise
print(json.dumps({"closed": client.is_closed, "running": client.autopost.is_running()}))
