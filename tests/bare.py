"""The interpreter for scripts of tests that need the standard library alone, inside of network namespaces.

Without ``site`` it starts in a third of the time, and the rings start it thousands of times.
"""

import sys

PYTHON = (sys.executable, "-S")
