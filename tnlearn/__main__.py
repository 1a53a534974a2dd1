"""`python -m tnlearn`: the command line."""

import sys

from tnlearn.cli import main

if __name__ == "__main__":
    sys.exit(main())
