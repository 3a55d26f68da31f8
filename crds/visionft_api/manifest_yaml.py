"""YAML as kubectl reads and writes it: duplicate keys refused, `2e-4` a number, no dates."""

import math
import re
from typing import Any

import yaml

from visionft_api.shown import shorten

_MAX_ALIASES = 100
"""A manifest needs few; thousands are a way to fill the memory."""


_MAX_DIGITS = 300
"""Of a whole number; Python reads no more than 4300."""


class NotYamlError(ValueError):
    """A text that is not one YAML document; the message names the line and the mend."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with kubectl's types of scalars."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
            if self.aliases > _MAX_ALIASES:
                raise NotYamlError(f"more than {_MAX_ALIASES} aliases (*name); write the values out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise NotYamlError(f"line {line}: the key {shorten(repr(key))} is not a text; put it in quotes")
            if key in seen:
                raise NotYamlError(
                    f'line {line}: key "{shorten(key)}" is already set on line {seen[key]}; remove one of them'
                )
            seen[key] = line
        return super().construct_mapping(node, deep=deep)


_DROPPED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float", "tag:yaml.org,2002:int"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _DROPPED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# PyYAML takes 2e-4 for a text (its YAML 1.1 wants a dot) and 1:30 for 90; kubectl does neither.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^([-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    if len(text) > _MAX_DIGITS:
        raise NotYamlError(f"line {node.start_mark.line + 1}: a number of {len(text)} digits; no field takes one")
    return int(re.sub(r"^([-+]?)0o?([0-7_]+)$", r"\g<1>0o\2", text), 0)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def load_yaml(text: str) -> Any:
    """The value of a text that holds one YAML (or JSON) document.

    Raises:
        NotYamlError: it holds none or several, or is not YAML.
    """
    try:
        # Every tag but the safe ones is refused by the loader that ours is made of.
        documents = [item for item in yaml.load_all(text, Loader=_Loader) if item is not None]
    except yaml.MarkedYAMLError as error:
        raise NotYamlError(_explain(error)) from error
    except yaml.reader.ReaderError as error:
        raise NotYamlError(f"character {error.position} ({error.character!r}) is not allowed in YAML") from error
    except RecursionError as error:
        raise NotYamlError("the document is nested too deeply") from error
    if not documents:
        raise NotYamlError("the file is empty; it should hold a VisionFineTune")
    if len(documents) > 1:
        raise NotYamlError(f"holds {len(documents)} documents; keep one, or split the file at its --- lines")
    return documents[0]


def _explain(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    problem = error.problem or "cannot be read"
    if "\\t" in problem:
        problem = "a tab where YAML wants spaces; indent with spaces"
    return f"{where}not YAML: {shorten(problem)}"


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, for readers that know more numbers than PyYAML does."""

    def ignore_aliases(self, data: Any) -> bool:
        """Writes what is shared each time: anchors are hard to read and not welcome everywhere."""
        return True


_LIKE_A_NUMBER = re.compile(r"[-+.0-9]")


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "'" if _LIKE_A_NUMBER.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """A value as YAML that kubectl reads as the same value: the text "2e-4" stays a text.

    No line is folded, so that patterns stay whole and a change shows as the one line that it is.
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=math.inf, allow_unicode=True)
