"""One request to top.gg: what to send, whether it may go, what came back, whether to try again.

Everything here but `transport` is pure: it is told the time, the status and the bytes, and does
no I/O of its own.
"""
