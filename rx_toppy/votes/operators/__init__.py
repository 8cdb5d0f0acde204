"""Operators over streams of votes, live or history; tests from the dashboard are left out."""
