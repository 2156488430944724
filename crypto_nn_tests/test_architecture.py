"""The house rules that a program can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from crypto_nn_tests.market import ROOT

SOURCES = sorted((ROOT / "crypto_nn").rglob("*.py"))
HEAVY = ("torch", "evidently", "sklearn", "matplotlib", "lightgbm", "optuna")
CLIENTS = ("psycopg", "supabase", "postgrest", "polygon", "massive", "websockets", "urllib3")


def _imported(module: str, names: tuple[str, ...]) -> str:
    """Which of these modules a fresh process has loaded after importing one."""
    code = f"import sys, {module}; print(*[n for n in {names!r} if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:crypto_nn", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.parametrize("module", ["crypto_nn.definitions", "crypto_nn.cli", "crypto_nn"])
def test_loading_needs_neither_torch_nor_evidently(module: str) -> None:
    """The daemon and the web server load definitions again and again: they must stay light."""
    assert _imported(module, HEAVY) == ""


def test_loading_settings_and_the_command_line_needs_no_client_of_a_service() -> None:
    """Whoever uses no exchange and no database does not wait for their libraries."""
    assert _imported("crypto_nn.cli, crypto_nn.experiments", CLIENTS) == ""


def test_data_rooms_and_the_command_line_do_not_load_dagster() -> None:
    """`crypto-nn sql` must answer at once, and domain code must not know who runs it."""
    assert (
        _imported("crypto_nn.cli, crypto_nn.experiments, crypto_nn.store.sql", ("dagster",)) == ""
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file has at most 300 lines of code and a function 50: the walls of the house style."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(_code_lines(tree)) <= 300
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert len(_code_lines(node)) <= 50, f"{path}:{node.lineno} {node.name}"


def _code_lines(tree: ast.AST) -> set[int]:
    """The lines on which something stands that is neither a comment nor a docstring."""
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    nodes = (node for node in ast.walk(tree) if hasattr(node, "lineno") and id(node) not in docs)
    lines: set[int] = set()
    for node in nodes:
        lines.add(node.lineno)
        if isinstance(node, ast.expr) and not isinstance(node, ast.Constant):
            lines.add(node.end_lineno or node.lineno)
    return lines


def test_no_module_catches_every_exception() -> None:
    """Only the edge of a process may: the server's threads outlive a question that fails."""
    edges = {"crypto_nn/server/answers.py", "crypto_nn/server/batching.py"}
    broad = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    }
    assert broad <= edges


def test_the_environment_is_read_in_one_place() -> None:
    """Settings come from the YAML; where it lies is known to one file."""
    readers = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "os.environ" in path.read_text(encoding="utf-8")
    }
    assert readers <= {"crypto_nn/environment.py", "crypto_nn/monitoring/evidently_report.py"}


def test_workspace_and_cloud_files_name_the_definitions() -> None:
    """Both files are what Dagster's loaders accept, and name the module that there is."""
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    module = workspace["load_from"][0]["python_module"]
    assert module == {"module_name": "crypto_nn.definitions", "location_name": "crypto_nn"}
    cloud = yaml.safe_load((ROOT / "dagster_cloud.yaml").read_text())
    (location,) = cloud["locations"]
    assert set(location) <= {"location_name", "code_source", "build", "working_directory", "image"}
    assert location["code_source"] == {"module_name": "crypto_nn.definitions"}


def test_dagster_loads_the_workspace_file() -> None:
    """`dagster` itself reads workspace.yaml without complaint."""
    import dagster as dg
    from dagster._core.workspace.load import load_workspace_process_context_from_yaml_paths

    with dg.instance_for_test() as instance:
        context = load_workspace_process_context_from_yaml_paths(
            instance, [str(ROOT / "workspace.yaml")]
        )
        with context as loaded:
            (entry,) = loaded.create_request_context().get_code_location_entries().values()
            assert entry.load_error is None


def test_telemetry_is_off_and_dagster_home_is_set() -> None:
    """Dagster works out of the box, keeps its memory in the repository, and tells nobody."""
    settings = yaml.safe_load((ROOT / "data" / "dagster_home" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert (ROOT / ".env").read_text() == "DAGSTER_HOME=${PWD}/data/dagster_home\n"
