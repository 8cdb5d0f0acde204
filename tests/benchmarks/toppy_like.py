"""Decoding the way toppy does it: `json`, and a class that picks each attribute from a dict."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any


class ToppyBot:
    """A bot with toppy's attributes, set one by one."""

    def __init__(self, **fields: Any) -> None:
        self.id = int(fields.pop("id"))
        self.username = fields.get("username")
        self.discriminator = fields.get("discriminator")
        self.user_avatar = fields.get("avatar")
        self.default_avatar = fields.get("defAvatar")
        self.avatar = self.user_avatar or self.default_avatar
        self.prefix = fields.get("prefix")
        self.short_description = fields.get("shortdesc")
        self.long_description = fields.get("longdesc")
        self.tags = fields.get("tags", [])
        self.website = fields.get("website")
        self.support = fields.get("support")
        self.github = fields.get("github")
        self.owners = [int(owner) for owner in fields.get("owners", [])]
        self.featured_guilds = [int(guild) for guild in fields.get("guilds", [])]
        self.invite = fields.get("invite")
        try:
            self.approved_at = datetime.strptime(fields.get("date", ""), "%Y-%m-%dT%H:%M:%S.%fZ")
        except ValueError:
            self.approved_at = datetime.min
        self.certified = fields.get("certifiedBot", False)
        self.vanity_uri = fields.get("vanity")
        self.all_time_votes = fields.get("points", 0)
        self.monthly_votes = fields.get("monthlyPoints", 0)
        self.donations_guild = fields.get("donatebotguildid")


def decode_as_toppy(body: bytes) -> list[ToppyBot]:
    """A page of bots."""
    return [ToppyBot(**fields) for fields in json.loads(body)["results"]]
