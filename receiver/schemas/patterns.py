"""What the API's document says of a value beyond what pydantic sees."""

from typing import Any, cast

from pydantic import Field
from pydantic.fields import FieldInfo


def said(**schema: Any) -> FieldInfo:
    """More of its JSON Schema."""
    return cast(FieldInfo, Field(json_schema_extra=schema))


def anchored(pattern: str) -> str:
    """As JSON Schema wants it, where a pattern is searched for."""
    return f"^{pattern}$" if "|" not in pattern else f"^(?:{pattern})$"
