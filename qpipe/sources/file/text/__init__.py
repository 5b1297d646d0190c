"""Delimited text of any make, read exactly: what the file is, is found out; what was repaired, is told."""
