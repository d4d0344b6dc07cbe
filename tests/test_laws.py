"""Laws of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from assetmill import errors
from assetmill.errors import AssetmillError
from assetmill.settings import Settings, variables_of

ROOT = Path(__file__).parents[1]
MODULES = sorted(p for room in ("assetmill", "flows", "tasks") for p in (ROOT / room).rglob("*.py"))
LONGEST = 450


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_module_says_why_it_exists_and_stays_short():
    texts = {names(path): path.read_text(encoding="utf-8") for path in MODULES}
    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []
    assert [name for name, text in texts.items() if text.count("\n") > LONGEST] == []


def test_only_settings_read_the_environment():
    texts = {names(path): path.read_text(encoding="utf-8") for path in MODULES if path.name != "settings.py"}
    reads = re.compile(r"\bos\.(environ|getenv)\b|from os import .*(environ|getenv)")
    assert [name for name, text in texts.items() if reads.search(text)] == []


def test_no_flow_or_task_bears_the_name_of_another_module():
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    stems = {p.stem for room in ("flows", "tasks") for p in (ROOT / room).glob("*.py")} - {"__init__"}
    assert not stems & (taken - {"flows", "tasks", "assetmill"})


def test_tasks_do_not_import_each_other_and_flows_hold_no_other_flow():
    for path in (ROOT / "tasks").glob("*.py"):
        assert not re.search(r"^\s*(from|import) tasks\b", path.read_text(), re.MULTILINE), path.name


def test_files_name_no_registry_no_machine_and_no_key():
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607  whichever git the checkout was made with
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "registry" + r"\.npmjs"))
    forbidden = re.compile(rf"{hosts}|(?<![\w./])/(?:root|home/\w+)/|rpa_[A-Za-z0-9]{{20}}")
    found = []
    for name in listed.stdout.splitlines():
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data and forbidden.search(data.decode("utf-8", "replace")):
            found.append(name)
    assert found == []


def test_env_example_names_every_variable_that_is_read():
    named = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = [set(variables_of(name)) for name in Settings.model_fields]
    assert [variables for variables in read if not variables & named] == []
    assert named <= set().union(*read), "a variable that nobody reads"


def test_every_setting_that_holds_a_key_hides_it():
    named_so = [
        name
        for name in Settings.model_fields
        if any(re.search(r"KEY|SECRET|TOKEN|PASSWORD", variable) for variable in variables_of(name))
    ]
    assert len(named_so) >= 6
    assert [name for name in named_so if "SecretStr" not in str(Settings.model_fields[name].annotation)] == []


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call of a function or method by a dotted name."""
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in found if isinstance(node.func, ast.Name | ast.Attribute)]


CHANCE_AND_TIME = re.compile(
    r"(.*\.)?(datetime\.(now|utcnow|today)|date\.today|uuid\.uuid[14]|default_rng)|uuid[14]"
    r"|(time|random|np\.random)\.[a-z_]+|asyncio\.sleep"
)
PASSES_TIME_IN = {
    "assetmill/clock.py",  # it is what is passed in
    "assetmill/storage/local.py",  # names of temporary files, which nobody sees
}


def test_rules_take_time_chance_and_ids_from_whoever_calls():
    rules = [p for p in MODULES if p.parts[len(ROOT.parts)] == "assetmill" and "cli" not in p.parts]
    seeded = {"np.random.default_rng", "np.random.Generator", "random.Random"}
    own = [
        f"{names(path)}: {ast.unparse(call)}"
        for path in rules
        if names(path) not in PASSES_TIME_IN
        for name, call in calls(path)
        if CHANCE_AND_TIME.fullmatch(name)
        and not (name in seeded and call.args)
        and ast.unparse(call) != "asyncio.sleep(0)"
    ]
    assert own == []


TAKE_THEIR_TIME = {
    ROOT / "tests" / "fixtures" / name for name in ("sdk_worker.py", "sdk_comfy_worker.py")
}  # no tests: workers, whose jobs take what they are asked to


def test_no_test_sleeps_to_see_time_go_by():
    slept = [
        f"{names(path)}: {ast.unparse(call)}"
        for path in sorted({*(ROOT / "tests").rglob("*.py")} - TAKE_THEIR_TIME)
        if "sleep" in path.read_text(encoding="utf-8")
        for name, call in calls(path)
        if name in ("time.sleep", "asyncio.sleep") and ast.unparse(call) != "asyncio.sleep(0)"
    ]
    assert slept == []


def tree(error: type[AssetmillError]) -> list[type[AssetmillError]]:
    return [error, *(inner for child in error.__subclasses__() for inner in tree(child))]


def test_every_error_is_a_decision_of_its_own_and_stands_in_the_drawn_tree():
    drawn = errors.__doc__ or ""
    classes = [error for error in tree(AssetmillError) if error.__module__.startswith("assetmill.")]
    assert [error.__name__ for error in classes if f" {error.__name__} " not in drawn.replace("\n", " ")] == []
    assert len({error.code for error in classes}) == len(classes)
    assert {error.exit_code for error in classes} <= {1, 2, 3, 4, 5, 130}
