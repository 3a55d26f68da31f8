"""Answers that are documents, as JSON or as the tagged text that Donut writes, in the form in which they are compared.

The normal form is that of Donut's evaluator (Kim et al., "OCR-free Document Understanding Transformer", ECCV 2022,
arXiv 2111.15664, section 3.1; `JSONParseEvaluator` of its code): keys sorted by length and then alphabet, every value a
list, leaves as text, and what is empty left out: null, false, 0, "", and lists and objects of such.
"""

from __future__ import annotations

import json
import re
from typing import Any

Fields = dict[str, Any] | list[Any]
"""Lists of text at the leaves, objects and lists of objects above."""

MOST_NESTED = 64
"""Levels of a document; a deeper one is a model's endless repetition."""

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(?P<inside>.*)\n\s*```", re.DOTALL)
_OPENING = re.compile(r"<s_([^<>]+)>", re.IGNORECASE)
_SEPARATOR = "<sep/>"


def right(text: str) -> Fields:
    """The normal form of a reference. One that is no document is a single nameless value."""
    parsed = _parsed(text)
    return normal(text if parsed is None else parsed)


def written(text: str) -> Fields:
    """The normal form of an answer; one that is no document has no fields. A Markdown fence around it is no matter."""
    return normal(_parsed(text))


def is_document(text: str) -> bool:
    """Whether a reference has fields: a JSON object or list, or Donut's tags."""
    return isinstance(_parsed(text), dict | list)


def fault(text: str) -> str | None:
    """Why a text that begins as a JSON object or list is no document; None for any other text."""
    fence = _FENCE.fullmatch(text)
    text = (fence["inside"] if fence else text).strip()
    if not text.startswith(("{", "[")) or is_document(text):
        return None
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{error.msg}, character {error.pos + 1}"
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in thousands of brackets
        pass
    return f"more than {MOST_NESTED} levels, or a number too long to be read"


def normal(value: Any) -> Fields:
    """The normal form of anything that JSON can say."""
    if not value:
        return {}
    if isinstance(value, dict):
        sorted_keys = sorted(value, key=lambda key: (len(key), key))
        normals = {key: normal(value[key]) for key in sorted_keys}
        return {key: one if isinstance(one, list) else [one] for key, one in normals.items() if one}
    if not isinstance(value, list):
        return [str(value).strip()] if str(value).strip() else []
    if all(isinstance(item, dict) for item in value):
        return [one for item in value if (one := normal(item))]
    texts = [str(item).strip() for item in value if type(item) in (str, int, float)]
    return [text for text in texts if text]


def _parsed(text: str) -> Any:
    """What `text` says as JSON or in Donut's tags; None: nothing of the kind."""
    fence = _FENCE.fullmatch(text)
    text = fence["inside"].strip() if fence else text
    if _OPENING.search(text):
        return _tagged(text, MOST_NESTED)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if _levels_within(value, MOST_NESTED) else None


def _levels_within(value: Any, most: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(most > 0 and _levels_within(child, most - 1) for child in children)


def _tagged(text: str, most: int) -> dict[str, Any] | list[Any]:
    """Donut's `<s_key>value</s_key>`, in which `<sep/>` stands between the items of a list.

    A tag that is not closed is passed over, as its decoder does.
    """
    if most == 0:
        return {}
    items: list[dict[str, Any]] = [{}]
    while opening := _OPENING.search(text):
        key = opening[1]
        closing = re.compile(rf"</s_{re.escape(key)}>", re.IGNORECASE).search(text, opening.end())
        if closing is None:
            text = text[: opening.start()] + text[opening.end() :]
            continue
        inside = text[opening.end() : closing.start()].strip()
        if _OPENING.search(inside):
            items[-1][key] = _tagged(inside, most - 1)
        else:
            leaves = [leaf.strip() for leaf in inside.split(_SEPARATOR)]
            items[-1][key] = leaves if len(leaves) > 1 else leaves[0]
        text = text[closing.end() :].strip()
        if text.startswith(_SEPARATOR):
            text = text.removeprefix(_SEPARATOR)
            items.append({})
    return items if len(items) > 1 else items[0]
