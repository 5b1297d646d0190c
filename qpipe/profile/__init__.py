"""What is in the data: ``profile(sources)`` looks at every row once, ``suggest`` makes rules of what it saw."""
