"""Many processes, one token: clusters on Redis.

A large bot runs in many processes, and top.gg knows only its one token. `RedisCoordinator` makes
their clients one: one budget of requests, one total, one block. `RedisInbox` is an inbox for votes
that any process fills, and all of them empty.

What one Redis carries, for a bot of 10,000 shards and a million votes a day, by what one core of
a small server was measured to do (Redis 7.0; Python not counted, which runs in the processes):

* *The budget.* Each process takes a turn a second (65 us of Redis's time with 640 processes), and
  each call one more (150 us). With 16 shards to a process: 625 turns a second are 4 % of the core.
  top.gg lets 100 calls a second through, which are another 1.5 % at the very most.
* *The total.* Each process tells of its shards every ten seconds: 63 a second of 62 us, 0.4 %. The
  leader reads all 10,000 every ten seconds: 17 ms, 0.2 %, in which the others wait for 17 ms.
* *The votes.* A million a day are 12 a second, and at ten times as many in the busiest minute 120.
  One process adds 14,000 a second in bursts and 2,500 one after another, and handles 1,000 a second
  one at a time, 9,000 a hundred at a time. Kept votes are the memory: 930 bytes until a vote is
  handled, 440 to 690 after that. A million a day for the usual 31 days are 14 to 21 GB, and for two
  days 0.9 to 1.4 GB: set `RedisInbox(keep=...)`.
* *The connections.* Two for each process and two more for each that handles votes: 2,500, of the
  10,000 that Redis takes by default.

So Redis is not where such a bot meets its limit: that is top.gg's 60 requests a minute. The next
one is the memory for votes, and then the turns: the core is busy with 15,000 processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_exports

if TYPE_CHECKING:
    from .coordinator import Membership, RedisCoordinator
    from .inbox import RedisInbox

__all__ = ["Membership", "RedisCoordinator", "RedisInbox"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {"coordinator": ["Membership", "RedisCoordinator"], "inbox": ["RedisInbox"]},
)
