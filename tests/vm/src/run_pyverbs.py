# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs rdma-core's own tests in a host and prints what became of each, as JSON.

usage: run_pyverbs.py FOLDER MODULE,.. --dev DEVICE --port N --gid INDEX

FOLDER is rdma-core's tests/ (Debian: /usr/share/doc/rdma-core/tests, unpacked); the options after
it are those of its own run_tests.py. Output: {"passed": [..], "skipped": {name: why},
"failed": {name: traceback}}, names as `run_tests.py -v` shows them.
"""

import json
import sys
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path


class Record(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = []
        self.why = {}
        self.broken = {}

    def addSuccess(self, test):
        self.passed.append(test.id())

    def addSkip(self, test, reason):
        self.why[test.id()] = reason

    def addError(self, test, err):
        self.broken[test.id()] = self._exc_info_to_string(err, test)

    def addFailure(self, test, err):
        self.broken[test.id()] = self._exc_info_to_string(err, test)


def main():
    folder, modules = Path(sys.argv[1]), sys.argv[2].split(",")
    del sys.argv[1:3]
    sys.path.insert(0, str(folder))
    tests = SourceFileLoader("tests", str(folder / "__init__.py")).load_module()
    from args_parser import parser
    parser.parse_args()
    record = Record()
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(loader.loadTestsFromModule(getattr(tests, name), pattern=None)
                               for name in modules)
    suite.run(record)
    print(json.dumps({"passed": record.passed, "skipped": record.why, "failed": record.broken}))


if __name__ == "__main__":
    main()
