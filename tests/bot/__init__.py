"""A real Discord library, logged in to a stand-in for Discord, as the host of a client."""
