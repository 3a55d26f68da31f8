"""Cross-field rules: each is declared once, beside its model, as CEL for the API server and a twin for the workstation.

The message is a template. `{field}` or `{field.below}` (JSON names) stands for a value of the object that the rule is
attached to; a name listed in `values` stands for something computed. The same template becomes CEL's
`messageExpression` and the workstation's text, so that both say the same sentence.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9.]*)\}")


@dataclass(frozen=True)
class Value:
    """A computed value of a message: a CEL expression that yields a string, and its twin."""

    cel: str
    twin: Callable[[Any], str]


def malformed(field: str, pattern: str) -> str:
    """CEL that is true where a field is set and does not have the form that a rule needs to read it."""
    return f"(has(self.{field}) && !self.{field}.matches(r'{pattern}'))"


@dataclass(frozen=True)
class Rule:
    """A rule of one object.

    Args:
        cel: the expression that must be true; `self` is the object.
        holds: the same on the pydantic model.
        message: a sentence that names the field, the value and the mend (see the module's text for placeholders).
        at: JSON name of the child that the message is about, or "" for the object itself.
        unless: CEL expressions under which there is nothing to say, see `malformed`. The API server evaluates rules
            also where a pattern has refused already; the models do not, so there is no twin.
        values: computed values of the message.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    at: str = ""
    unless: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)

    def validation(self) -> dict[str, str]:
        """The entry for `x-kubernetes-validations`."""
        entry = {"rule": " || ".join([*self.unless, f"({self.cel})"]) if self.unless else self.cel}
        if _PLACEHOLDER.search(self.message):
            entry["messageExpression"] = self._message_expression()
        else:
            entry["message"] = self.message
        if self.at:
            entry["fieldPath"] = f".{self.at}"
        return entry

    def fixed_pieces(self) -> list[str]:
        """What every instance of the message holds, in order."""
        return [piece for piece in _PLACEHOLDER.split(self.message)[::2] if piece]

    def text(self, model: Any) -> str:
        """The message for this object, as the API server would give it."""
        data = model.model_dump(mode="json", by_alias=True)

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name in self.values:
                return self.values[name].twin(model)
            value = data
            for part in name.split("."):
                value = value[part]
            return value if isinstance(value, str) else json.dumps(value)

        return _PLACEHOLDER.sub(replace, self.message)

    def _message_expression(self) -> str:
        """The template as one `format`, which the API server's cost estimate takes for cheap ("+" it does not)."""
        pieces = _PLACEHOLDER.split(self.message)
        text = "".join(piece.replace("%", "%%") if index % 2 == 0 else "%s" for index, piece in enumerate(pieces))
        text = text.replace("\\", "\\\\").replace("'", "\\'")
        # dyn: CEL in Kubernetes wants the items of a list to be of one type.
        values = [self.values[name].cel if name in self.values else f"dyn(self.{name})" for name in pieces[1::2]]
        return f"'{text}'.format([{', '.join(values)}])"
