"""How lists merge and what may not be in them twice, for the API server and the models alike."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class ListType:
    """Kubernetes' type of a list: replaced as a whole, a set, or a map of items by one of their fields."""

    kind: Literal["atomic", "set", "map"]
    key: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuses an item that is there already."""
        schema = handler(source)
        if self.kind == "atomic":
            return schema
        return core_schema.no_info_after_validator_function(self._refuse_duplicates, schema)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Says so in the CRD."""
        json_schema = handler(schema)
        json_schema["x-kubernetes-list-type"] = self.kind
        if self.kind == "map":
            json_schema["x-kubernetes-list-map-keys"] = [self.key]
        return json_schema

    def _refuse_duplicates(self, items: list[Any]) -> list[Any]:
        seen = set()
        for index, item in enumerate(items):
            identity = getattr(item, self.key) if self.key else item
            if identity in seen:
                shown = json.dumps({self.key: identity} if self.key else identity)
                raise PydanticCustomError("duplicate_item", "Duplicate value", {"index": index, "shown": shown})
            seen.add(identity)
        return items


ATOMIC = ListType("atomic")
SET = ListType("set")


def map_by(key: str) -> ListType:
    """A list whose items are told apart by a field."""
    return ListType("map", key)
