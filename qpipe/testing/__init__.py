"""Published suites for people who write components: what holds for every module, and examples that run.

from qpipe.testing.modules import check_module

def test_my_module():
    check_module(MyModule)
"""
