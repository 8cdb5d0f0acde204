"""The ids that top.gg gives to users and projects, beside those that Discord gives.

Each follows from the other one, so that nothing must be kept. Within 1 to 2**63-1 no two
Discord ids have the same top.gg id, and none is its own.
"""

from rx_toppy.sandbox.checks import MAX_ID

# `x -> FACTOR * x + SHIFT` modulo MAX_ID gives every number once, as MAX_ID (7**2 * 73 * 127 *
# 337 * 92737 * 649657) and FACTOR have no divisor in common. It leaves no number as it was, as
# FACTOR - 1 is a multiple of 7, which MAX_ID is too, and SHIFT is none.
FACTOR = 3_202_034_522_624_059_739
SHIFT = 4_106_118_243
_INVERSE = pow(FACTOR, -1, MAX_ID)


def topgg_id(discord_id: str) -> str:
    """Give top.gg's id of what has this Discord id."""
    return str((FACTOR * int(discord_id) + SHIFT) % MAX_ID or MAX_ID)


def discord_id(topgg_id: str) -> str | None:
    """Give the Discord id of what has this id at top.gg; None where the text is no id."""
    if not (topgg_id.isascii() and topgg_id.isdigit() and len(topgg_id) <= len(str(MAX_ID))):
        return None
    number = int(topgg_id)
    if not 1 <= number <= MAX_ID:
        return None
    return str((number - SHIFT) * _INVERSE % MAX_ID or MAX_ID)
