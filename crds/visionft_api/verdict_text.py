"""What a verdict's sentence says of the gates. The trainer writes it, and the operator may judge by later gates."""

import re
from collections.abc import Sequence

_HOLD = "every gate holds"
_CLAUSE = re.compile(rf"; (?:{_HOLD}|a gate is not met: .*|\d+ gates are not met: .*)\.$", re.DOTALL)


def gates_clause(missed: Sequence[str]) -> str:
    """The clause for these gates that are not met, each as `cer is 0.0612, the gate is cer <= 0.05`."""
    if not missed:
        return _HOLD
    return f"{'a gate is' if len(missed) == 1 else f'{len(missed)} gates are'} not met: {'; '.join(missed)}"


def with_gates(sentence: str, missed: Sequence[str]) -> str:
    """The sentence, with another clause in place of what it says of the gates."""
    return f"{without_gates(sentence).removesuffix('.')}; {gates_clause(missed)}."


def without_gates(sentence: str) -> str:
    """The sentence without what it says of the gates."""
    return _CLAUSE.sub(".", sentence)
