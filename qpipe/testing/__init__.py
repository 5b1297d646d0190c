"""Published suites for people who write components: what holds for every module, source and output.

from qpipe.testing.modules import check_module

def test_my_module():
    check_module(MyModule)

from qpipe.testing.sources import SourceSuite  # and qpipe.testing.outputs.OutputSuite: classes of pytest to derive from
"""
