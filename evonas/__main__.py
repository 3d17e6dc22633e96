"""`python -m evonas`."""

from __future__ import annotations

import sys

from evonas.cli import main

if __name__ == "__main__":
    sys.exit(main())
