"""The sections of the HTML page, by subject."""
