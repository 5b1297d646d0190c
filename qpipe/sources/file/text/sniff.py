from __future__ import annotations
from qpipe.sources.file.text.dialect import Dialect
def sniff(opener, options, *, name="input", member=None):
    h=opener().readline()
    c=tuple(h.decode().strip().split(","))
    return Dialect(columns=c,width=len(c),header=h.decode().strip(),start=len(h),line=2)
