"""`python -m tnlearn`: the command line."""

import sys

from tnlearn.cli import main

sys.exit(main())
