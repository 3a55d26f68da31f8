"""A field that takes a number or one word, such as `batchSize: 4` and `batchSize: auto`."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

MAX_LENGTH = 16
"""Room for a misspelt word, so that the answer is what to write and not its length."""


@dataclass(frozen=True)
class IntOrWord:
    """Kubernetes' `x-kubernetes-int-or-string`, kept to the integers of a range and one word."""

    least: int
    most: int
    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Takes what the API server takes, and refuses the rest in its words (see `schema_errors`)."""
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The bounds hold for a number, pattern and length for a text. There is no type, as Kubernetes wants it."""
        return {
            "x-kubernetes-int-or-string": True,
            "minimum": self.least,
            "maximum": self.most,
            "maxLength": MAX_LENGTH,
            "x-kubernetes-validations": [
                {"rule": f"type(self) == int || self == '{self.word}'", "message": self._mend()},
            ],
        }

    def _mend(self) -> str:
        return f'write a whole number from {self.least} to {self.most}, or "{self.word}"'

    def _validate(self, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < self.least:
                raise PydanticKnownError("greater_than_equal", {"ge": self.least})
            if value > self.most:
                raise PydanticKnownError("less_than_equal", {"le": self.most})
        elif not isinstance(value, str):
            raise PydanticCustomError("int_or_word_type", "must be of type integer,string")
        elif len(value) > MAX_LENGTH:
            raise PydanticKnownError("string_too_long", {"max_length": MAX_LENGTH})
        elif value != self.word:
            raise PydanticCustomError("int_or_word", "{mend}", {"mend": self._mend()})
        return value
