"""`rx-toppy demo --cluster`: each terminal that runs it is one process of a bot."""
