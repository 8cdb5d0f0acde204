"""A client at work, shown live: a board in a terminal, plain lines or JSON elsewhere."""
