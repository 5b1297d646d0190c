"""Start every server that is installed here and say where it listens: python -m tests.servers [NAME…]"""

import contextlib
import importlib
import signal
import sys

from tests.servers import NAMES, folder

with contextlib.ExitStack() as stack:
    for name in sys.argv[1:] or NAMES:
        if name == "__main__":
            continue
        module = importlib.import_module(f"tests.servers.{name}")
        if how := module.missing():
            print(f"{name:10} not installed: {how}", flush=True)
            continue
        print(f"{name:10} {stack.enter_context(module.start(stack.enter_context(folder(name))))}", flush=True)
    print("Ctrl-C stops them", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
