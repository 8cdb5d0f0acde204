"""Tests of what is heard of votes and made of them."""
