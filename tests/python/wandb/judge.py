"""What W&B refuses of a query before it looks at any run: the double asks here.

Queries and variables are held against ``schema.graphql``: types, fields, arguments, and that an Int
has 32 bits.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values

MAX_INT64 = 2**63 - 1


def _int64(value: Any) -> int:
    """An Int64 comes as a number, or as the text of one."""
    number = int(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) > MAX_INT64:
        raise GraphQLError(f"Int64 cannot represent {value!r}")
    return number


SCHEMA = build_schema(Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8"))
SCHEMA.type_map["Int64"].parse_value = _int64  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def _read(query: str) -> tuple[OperationDefinitionNode | None, tuple[str, ...]]:
    """The operation of a query, and what is wrong with it, whatever its variables are."""
    try:
        document = parse(query)
    except GraphQLError as problem:
        return None, (problem.message,)
    errors = tuple(error.message for error in validate(SCHEMA, document))
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return operation, errors


def refusals(query: str, variables: dict[str, Any]) -> tuple[str, ...]:
    """What W&B has against a request; nothing where it answers."""
    operation, errors = _read(query)
    if errors or operation is None:
        return errors
    coerced = get_variable_values(SCHEMA, operation.variable_definitions, variables)
    return tuple(error.message for error in coerced) if isinstance(coerced, list) else ()
