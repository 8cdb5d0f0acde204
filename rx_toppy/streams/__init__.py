"""The core of the streams: cold calls, hot subjects, iteration. No HTTP, and nothing of top.gg."""
