"""1 minus the normalised tree edit distance of documents, as Donut counts it: the mean over rows.

The distance is that of Zhang and Shasha, "Simple Fast Algorithms for the Editing Distance between Trees and Related
Problems", SIAM Journal on Computing 18 (1989). The packages that compute it (zss, apted) have seen no release since
2018 and take 7 to 30 times as long for 20 to 60 items (benchmarks/metrics/trees.py). Tests hold it against zss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from visionft_trainer.evaluation.metrics import documents
from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, mean_of, share


@dataclass(frozen=True)
class _Node:
    """Of a document's tree: a key, an object in a list, or the text of a leaf."""

    label: str
    is_leaf: bool = False
    children: list[_Node] = field(default_factory=list)

    @property
    def size(self) -> int:
        """What it costs to insert or remove: the characters of a leaf, or 1."""
        return len(self.label) if self.is_leaf else 1


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([_accuracy(case) for case in cases])


def _accuracy(case: Case) -> float:
    given = documents.written(case.answer)
    return max(_compared(documents.right(reference), given) for reference in case.references)


def _compared(right: documents.Fields, given: documents.Fields) -> float:
    if right == given:
        return 1.0
    root = tree("<root>", right)
    size = _total(root) - root.size
    return max(0.0, 1.0 - distance(root, tree("<root>", given)) / size) if size else 0.0


def tree(label: str, document: Any) -> _Node:
    """Of a document in its normal form."""
    if isinstance(document, dict):
        return _Node(label, children=[tree(key, value) for key, value in document.items()])
    if all(isinstance(item, dict) for item in document):
        return _Node(label, children=[tree("<subtree>", item) for item in document])
    return _Node(label, children=[_Node(item, is_leaf=True) for item in document])


def _total(node: _Node) -> int:
    return node.size + sum(map(_total, node.children))


def rename(one: _Node, other: _Node) -> int:
    """What it costs to make one node the other."""
    from rapidfuzz.distance import Levenshtein

    if one.is_leaf and other.is_leaf:
        return Levenshtein.distance(one.label, other.label)
    if one.is_leaf or other.is_leaf:
        return one.size + other.size
    return int(one.label != other.label)


@dataclass(frozen=True)
class _Order:
    """A tree's nodes, children before parents."""

    nodes: list[_Node]
    leftmost: list[int]
    """Of each node: the first leaf below it."""

    @property
    def keyroots(self) -> list[int]:
        """Of each leftmost leaf: the highest node that has it."""
        return sorted({leaf: index for index, leaf in enumerate(self.leftmost)}.values())


def _ordered(root: _Node) -> _Order:
    order = _Order([], [])

    def visit(node: _Node) -> int:
        firsts = [visit(child) for child in node.children]
        first = firsts[0] if firsts else len(order.nodes)
        order.nodes.append(node)
        order.leftmost.append(first)
        return first

    visit(root)
    return order


def distance(one: _Node, other: _Node) -> int:
    """The least cost of making one tree the other."""
    a, b = _ordered(one), _ordered(other)
    removals = [node.size for node in a.nodes]
    insertions = [node.size for node in b.nodes]
    renames = [[rename(left, right) for right in b.nodes] for left in a.nodes]
    trees = [[0] * len(b.nodes) for _ in a.nodes]
    for i in a.keyroots:
        for j in b.keyroots:
            _fill(trees, a.leftmost, b.leftmost, i, j, removals, insertions, renames)
    return trees[-1][-1]


def _fill(
    trees: list[list[int]],
    left_a: list[int],
    left_b: list[int],
    i: int,
    j: int,
    removals: list[int],
    insertions: list[int],
    renames: list[list[int]],
) -> None:
    """Set `trees[x][y]`, the distance of the subtrees of x and y, for those that share the first leaves of i and j.

    Plain lists and one loop: this is where the time goes.
    """
    first_a, first_b = left_a[i], left_b[j]
    row = [0]
    for y in range(first_b, j + 1):
        row.append(row[-1] + insertions[y])
    forests = [row]
    for x in range(first_a, i + 1):
        above, removal, rename, tree = row, removals[x], renames[x], trees[x]
        row = [above[0] + removal]
        forests.append(row)
        a_is_tree, before = left_a[x] == first_a, forests[left_a[x] - first_a]
        last = row[0]
        for y in range(first_b, j + 1):
            at = y - first_b
            best = above[at + 1] + removal
            inserted = last + insertions[y]
            if inserted < best:
                best = inserted
            if a_is_tree and left_b[y] == first_b:
                renamed = above[at] + rename[y]
                if renamed < best:
                    best = renamed
                tree[y] = best
            else:
                moved = before[left_b[y] - first_b] + tree[y]
                if moved < best:
                    best = moved
            row.append(best)
            last = best


NTED_ACCURACY = Metric(
    "ntedAccuracy", "Tree edit distance accuracy", lower_is_better=False, highest=1.0, count=_count, value=share
)
