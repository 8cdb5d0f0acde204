"""Votes: deliveries, inboxes, and the operators over streams of votes."""
