"""`python -m rx_toppy`: the same as the command `rx-toppy`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
