"""What every model of the API shares: JSON in camelCase, nothing unknown, nothing coerced, rules beside the fields."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from visionft_api.rules import Rule


class ApiModel(BaseModel):
    """A frozen object of the API.

    `rules` are its cross-field rules; the CRD generator writes them as CEL and `visionft_api.parse` applies them on a
    workstation. Building a model by hand checks types, bounds and patterns only: `parse` is the door for user input.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # The API server coerces nothing either: "16" is no integer, "yes" no boolean.
        strict=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The model's JSON schema with what pydantic does not know: the rules, and the defaults of sections."""
        schema = handler(core_schema)
        body = handler.resolve_ref_schema(schema)
        if cls.rules:
            body["x-kubernetes-validations"] = [rule.validation() for rule in cls.rules]
        for name, field in cls.model_fields.items():
            if field.default_factory is not None:
                default = field.get_default(call_default_factory=True)
                # In full: the API server holds a default against the rules before it fills the fields below it.
                body["properties"][field.alias or name]["default"] = default.to_json()
        return schema

    def to_json(self) -> dict[str, Any]:
        """The object as the API server stores it: camelCase, absent fields left out, timestamps as RFC 3339."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
