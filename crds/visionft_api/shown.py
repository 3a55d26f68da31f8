"""What messages show of texts that others wrote: all of it where it is short, else its beginning.

Whoever reads is to find the field and the mend, and a status or an event holds only so much.
"""

SHOWN_CHARACTERS = 200
"""Of a value or a field's path in a message: the longest names of Kubernetes nearly fit."""
CUT = "…"
"""At the end of a text that was too long."""


def shorten(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """`text` of at most `most` characters, the last one "…" where some are left out."""
    return text if len(text) <= most else f"{text[: most - len(CUT)]}{CUT}"
