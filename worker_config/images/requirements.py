"""Print what the image of the workers installs from PyPI, in one line: the build system too.

requirements.py pyproject.toml [EXTRA]...
"""

import sys
import tomllib
from pathlib import Path

_tables = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
_wanted = [
    *_tables["build-system"]["requires"],
    *_tables["project"]["dependencies"],
    *(
        requirement
        for extra in ("flower", "metrics", *sys.argv[2:])
        for requirement in _tables["project"]["optional-dependencies"][extra]
    ),
]
sys.stdout.write(" ".join(_wanted) + "\n")
