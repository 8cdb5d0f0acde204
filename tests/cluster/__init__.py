"""Many processes with one token, on a Redis that is a real one, and that fails as real ones do."""
