"""Streams in a notebook: shown while they run, and as they ran.

Plain functions over observables, for any stream of reactivex. They come with the extra `notebooks`
(`pip install 'rx_toppy[notebooks]'`), and want the event loop that runs in every notebook.

    >>> from rx_toppy.notebook import live, marbles, rate, table, to_frame
    >>> requests = client.events.pipe(of_type(RequestEvent))
    >>> table(requests)                                    # a table that grows until it is stopped
    >>> last = await live(client.autopost, int, seconds=60)            # the newest, for a minute
    >>> await marbles({"requests": requests, "slow": slow}, seconds=30)     # a marble diagram
    >>> to_frame(await client.fetch_bots(500)).describe()
"""

from .frames import to_frame
from .live import Live, live
from .marbles import MarbleRecording, Marbles, marbles
from .rate import rate
from .recorder import Notification
from .showing import show
from .table import table

__all__ = [
    "Live",
    "MarbleRecording",
    "Marbles",
    "Notification",
    "live",
    "marbles",
    "rate",
    "show",
    "table",
    "to_frame",
]
