"""Where the tests find the servers they talk to, and the contract, whichever configuration runs them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "contract")]
