"""Where a relational step's rows are gathered, batch by batch, out of core.

``Table`` keeps columns for DuckDB, in memory while they are few; ``Keys`` keeps hashed keys, to find those that occur twice
at the speed of a sort.
Both can come back to a state that was brought to the disk: what was gathered before a crash is not gathered again.
"""

from qpipe.core.gather.collector import Collector
from qpipe.core.gather.keys import Keys
from qpipe.core.gather.table import Table

__all__ = ["Collector", "Keys", "Table"]
