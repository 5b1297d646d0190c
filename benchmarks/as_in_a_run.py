"""To be imported before Polars: both sides of a comparison keep what they have freed, as a process of ``qpipe run`` does."""

from qpipe.cli.memory import keep_freed

keep_freed()
