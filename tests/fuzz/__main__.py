"""Run many random calls, damaged files, kills, or one long life; see ``--help``."""

import argparse
import sys

from .campaign import MODES, report, run, warm_up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--count", type=int, default=1000, help="cases to run")
    parser.add_argument("--start", type=int, help="the first seed; default: where the log ends")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--only", type=int, help="run this seed alone, with its whole traceback")
    parser.add_argument("--log", default="build/fuzz", help="the folder of the logs")
    options = parser.parse_args()
    if options.only is not None:
        warm_up()
        print(MODES[options.mode](options.only))
        return 0
    log = run(options.mode, options.count, options.start, options.seconds, options.log)
    return report(log, options.mode)


if __name__ == "__main__":
    sys.exit(main())
