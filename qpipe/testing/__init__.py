"""Published suites for people who write components: what holds for every module, and examples that run.

from qpipe.testing import modules

@pytest.mark.parametrize("rule", modules.RULES, ids=lambda rule: rule.__name__)
def test_my_module(rule):
    rule(MyModule)
"""
