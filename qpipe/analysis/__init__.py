"""What data tells about itself: types, formats, missing words, outliers, misspellings, keys, dependencies, foreign keys.

Functions over Polars series and frames; they know nothing of sources, specs or runs, so that modules can use them, too.
"""
