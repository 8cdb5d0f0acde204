"""How top.gg shows that a delivery is from it, and how long it goes on trying: v0 and v1."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal, Protocol

Kind = Literal["v0", "v1"]

# 2^N seconds. Of "up to 10 times, 1 s to about 17 min" the pauses are taken at their word, so N
# goes from 0 to 10 and they take 2,047 s in all: what outlasts these outlasts any other reading.
V0_PAUSES = tuple(float(2**n) for n in range(11))
V1_PAUSES = (1.0, 2.0, 4.0)


class Seal(Protocol):
    """What is different between the two kinds of deliveries, but for their bodies.

    Attributes:
        kind: Which it is.
        pauses: How many seconds are waited before each retry.
    """

    kind: ClassVar[Kind]
    pauses: ClassVar[Sequence[float]]

    def headers(self, body: bytes, trace: str, at: datetime) -> dict[str, str]:
        """Give the headers of one try, which is made at that time."""


class V0Seal:
    """The text that was chosen on top.gg, as it is; it keeps out of every repr.

    Args:
        authorization: That text.
    """

    kind: ClassVar[Kind] = "v0"
    pauses: ClassVar[Sequence[float]] = V0_PAUSES

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def headers(self, body: bytes, trace: str, at: datetime) -> dict[str, str]:
        """Give the headers; v0 has neither a time nor a trace."""
        return {"Authorization": self._authorization}


class V1Seal:
    """A signature over the time and the body; its secret keeps out of every repr.

    Args:
        secret: The key of the signature.
    """

    kind: ClassVar[Kind] = "v1"
    pauses: ClassVar[Sequence[float]] = V1_PAUSES

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()

    def headers(self, body: bytes, trace: str, at: datetime) -> dict[str, str]:
        """Give the headers, signed anew for each try: a receiver may refuse old times."""
        seconds = int(at.timestamp())
        signature = hmac.new(self._key, b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
        return {"x-topgg-signature": f"t={seconds},v1={signature}", "x-topgg-trace": trace}
