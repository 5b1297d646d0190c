"""python -m qpipe"""

from qpipe.cli import process

if __name__ == "__main__":
    process()
