"""The list of all bots: sorted, searched and encoded, quickly."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec
from msgspec import UNSET

from rx_toppy.sandbox.wire import Bot

FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Bot)}
"""The wire names of a bot's fields, and the attributes that hold them."""

_BY_LOWERED_NAME = {name.lower(): attribute for name, attribute in FIELDS.items()}
_NOT_SORTABLE = {"tags", "owners", "guilds", "shards"}
_encoder = msgspec.json.Encoder()


class Catalogue:
    """All bots, in an order that stays.

    Sorting and encoding takes longer than sending a page does, so the outcome of both is
    kept; whoever changes a bot says so by `changed`.
    """

    def __init__(self, bots: Iterable[Bot]) -> None:
        self._bots = {bot.id: bot for bot in bots}
        self._sorted: dict[str, list[Bot]] = {"": list(self._bots.values())}
        self._encoded = {bot_id: _encode(bot) for bot_id, bot in self._bots.items()}

    def get(self, bot_id: str) -> Bot | None:
        """Give the bot with this id, if there is one."""
        return self._bots.get(bot_id)

    def sorted(self, sort: str = "") -> Sequence[Bot]:
        """Give all bots by the field `sort`, a wire name; a `-` before it reverses.

        Bots that lack the field come last either way; `""` is the order that stays.

        Raises:
            ValueError: There is no such field, or it can't be sorted by.
        """
        if sort not in self._sorted:
            field = sort.removeprefix("-")
            if field not in FIELDS or field in _NOT_SORTABLE:
                raise ValueError(f"can't sort by {field!r}")
            self._sorted[sort] = self._sort(FIELDS[field], reverse=sort != field)
        return self._sorted[sort]

    def find(self, criteria: Sequence[tuple[str, str]], sort: str = "") -> Sequence[Bot]:
        """Give the bots whose fields hold all of these texts, sorted as by `sorted`.

        Args:
            criteria: Pairs of a field and a text. Case does not matter; a list holds the
                text when one of its items does; a field that no bot has holds nothing.
            sort: As for `sorted`.
        """
        found = self.sorted(sort)
        for field, wanted in criteria:
            attribute = _BY_LOWERED_NAME.get(field.lower())
            if attribute is None:
                return []
            text = wanted.lower()
            found = [bot for bot in found if _holds(getattr(bot, attribute), text)]
        return found

    def encoded(self, bot: Bot) -> msgspec.Raw:
        """Give the bot as JSON."""
        return self._encoded[bot.id]

    def changed(self, bot: Bot, *fields: str) -> None:
        """Hear that these fields, by wire name, of the bot have new values."""
        self._encoded[bot.id] = _encode(bot)
        for field in fields:
            self._sorted.pop(field, None)
            self._sorted.pop(f"-{field}", None)

    def _sort(self, attribute: str, *, reverse: bool) -> list[Bot]:
        keyed = [(_sort_key(attribute, bot), bot) for bot in self._bots.values()]
        having = [pair for pair in keyed if pair[0] is not None]
        having.sort(key=itemgetter(0), reverse=reverse)
        return [bot for _, bot in having] + [bot for key, bot in keyed if key is None]


def _encode(bot: Bot) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(bot))


def _sort_key(attribute: str, bot: Bot) -> str | int | None:
    """Give what orders the bot: one type for all bots, or None where there is nothing."""
    value: object = getattr(bot, attribute)
    if value is None or value is UNSET:
        return None
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text) if attribute in {"id", "clientid"} else text.casefold()


def _holds(value: object, text: str) -> bool:
    if value is None or value is UNSET:
        return False
    if isinstance(value, list):
        return any(_holds(item, text) for item in value)
    return text in str(value).lower()
