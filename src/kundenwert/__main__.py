"""`python -m kundenwert` is the command line."""

import sys

from kundenwert.cli import main

sys.exit(main())
