"""Print what the image of the workers installs from PyPI, in one line: the build system too."""

import sys
import tomllib
from pathlib import Path

_tables = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
_wanted = [
    *_tables["build-system"]["requires"],
    *_tables["project"]["dependencies"],
    *_tables["project"]["optional-dependencies"]["flower"],
    *_tables["project"]["optional-dependencies"]["metrics"],
]
sys.stdout.write(" ".join(_wanted) + "\n")
