"""What a page says, read back from its HTML: elements, tables, and texts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it; runs of white space are one space."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        """All text in it, as it is."""
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    def find(self, tag: str | None = None, **wanted: str) -> list["Element"]:
        """All elements below of this kind that have these attributes (`class` as `class_`, one of its words)."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            if (tag is None or child.tag == tag) and child.has(wanted):
                found.append(child)
            found += child.find(tag, **wanted)
        return found

    def has(self, wanted: dict[str, str]) -> bool:
        """Whether the attributes are there."""
        for name, value in wanted.items():
            own = self.attributes.get(name.rstrip("_").replace("_", "-"), "")
            if value not in (own.split() if name == "class_" else [own]):
                return False
        return True

    def section(self, identity: str) -> "Element":
        """The one with this id."""
        (found,) = self.find(id=identity)
        return found

    def table(self, caption: str) -> dict[str, list[str]]:
        """The cells of each row of the table with this caption, by the row's header."""
        (table,) = [table for table in self.find("table") if table.find("caption")[0].text == caption]
        rows = [[cell.text for cell in row.children if isinstance(cell, Element)] for row in table.find("tr")]
        return {row[0]: row[1:] for row in rows}

    def terms(self) -> dict[str, str]:
        """Term and description of each pair of its lists."""
        names, values = self.find("dt"), self.find("dd")
        return {name.text: value.text for name, value in zip(names, values, strict=True)}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        closed = self._open.pop()
        assert closed.tag == tag, f"<{closed.tag}> is closed by </{tag}> in line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def finish(self) -> Element:
        assert len(self._open) == 1, f"<{self._open[-1].tag}> is never closed"
        return self.root


def read_html(text: str) -> Element:
    """The page. Fails where elements are not nested soundly."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.finish()
