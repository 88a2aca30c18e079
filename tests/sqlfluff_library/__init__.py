"""Our dbt macros for sqlfluff's jinja templater, which does not know dbt's `return`.

sqlfluff puts the names of this package into the template context (`library_path` in `.sqlfluff`).
The dbt templater would need a live database.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import yaml

_ROOT = Path(__file__).resolve().parents[2]
_VARS = yaml.safe_load((_ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]


class _Return(Exception):  # noqa: N818 - not an error: dbt's `return` leaves a macro with a value
    def __init__(self, value: Any) -> None:
        self.value = value


def _return(value: Any) -> None:
    raise _Return(value)


def _callable(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return str(getattr(_modules[name], name)(*args, **kwargs))
        except _Return as returned:
            return returned.value

    return call


def env_var(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def var(name: str, default: Any = None) -> Any:
    return _VARS.get(name, default)


def ref(name: str) -> str:
    return name


def source(name: str, table: str) -> str:
    return f"{name}.{table}"


def config(**_: Any) -> str:
    return ""


def is_incremental() -> bool:
    return True


_context: dict[str, Any] = {
    "env_var": env_var, "var": var, "ref": ref, "source": source, "config": config,
    "is_incremental": is_incremental, "return": _return, "this": "this_relation",
    "local_md5": lambda text: hashlib.md5(text.encode()).hexdigest(),
}  # fmt: skip
_environment = jinja2.Environment(extensions=["jinja2.ext.do"])
_modules: dict[str, Any] = {}
_sources = {
    path: path.read_text(encoding="utf-8")
    for path in sorted((_ROOT / "macros").rglob("*.sql"))
    if path.stem not in ("ref", "generate_schema_name")  # they replace dbt's own
}
_names = {name: path for path in _sources for name in re.findall(r"% macro (\w+)", _sources[path])}
_macros = {name: _callable(name) for name in _names}
globals().update(_macros)
for _path, _source in _sources.items():
    _module = _environment.from_string(_source, _context | _macros).make_module()
    _modules.update({name: _module for name, path in _names.items() if path == _path})
