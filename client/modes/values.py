"""Kinds of values in an inference config: names to keep, lengths of sides."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from client.rect import LENGTH_PATTERN, Length, Sides
from client.selection import NameRule
from formats.quoted import is_whole_text, quoted

ALL = "__all__"


def _check_names(value: Any) -> Any:
    if value != ALL and not isinstance(value, (list, tuple)):
        raise PydanticCustomError(
            "names", f'expected "{ALL}" or a list of names, got {quoted(value)}'
        )
    return None if value == ALL else tuple(value)


def _check_length(value: Any) -> Any:
    try:
        if isinstance(value, str):
            Length.parse(value)
    except ValueError as err:
        raise PydanticCustomError("length", str(err)) from err
    return value


def _check_text(value: str) -> str:
    if not is_whole_text(value):
        raise PydanticCustomError(
            "text", f"expected text, got {quoted(value)} with half a character"
        )
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_check_text)]
Names = Annotated[
    tuple[Name, ...] | None,
    BeforeValidator(_check_names),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": ALL},
                {"type": "array", "items": {"type": "string", "minLength": 1}},
            ]
        }
    ),
]
"""Names to keep; "__all__" in the file is None here."""
Side = Annotated[
    str,
    BeforeValidator(_check_length),
    WithJsonSchema({"type": "string", "pattern": LENGTH_PATTERN}),
]


class Group(BaseModel):
    """A group of keys; unknown ones and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NameGroup(Group):
    """A filter and a suffix."""

    save_classes: Names = Field(
        default=None,
        json_schema_extra={"default": ALL},
        description="names to keep, the model's own; an empty list keeps none",
    )
    save_names: Names = Field(
        default=None,
        description="the same under its other name; wins where both are written",
    )
    add_suffix: Text = Field(default="", description="appended to each name")

    def rule(self) -> NameRule:
        """Returns the group as the client applies it."""
        if "save_names" in self.model_fields_set:
            names = self.save_names
        else:
            names = self.save_classes
        return NameRule(None if names is None else frozenset(names), self.add_suffix)


class SidesGroup(Group):
    """A length for each side: whole pixels ("12px") or percent ("5%")."""

    left: Side = Field(default="0px", description="percent is of the width")
    top: Side = Field(default="0px", description="percent is of the height")
    right: Side = Field(default="0px", description="percent is of the width")
    bottom: Side = Field(default="0px", description="percent is of the height")

    def sides(self) -> Sides:
        """Returns the group as the client applies it."""
        return Sides(
            left=Length.parse(self.left),
            top=Length.parse(self.top),
            right=Length.parse(self.right),
            bottom=Length.parse(self.bottom),
        )
