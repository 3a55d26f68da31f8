r"""Writes reference.json: what the reference implementations make of cases.json. They are no dependencies of visionft.

    uv pip install --no-deps --target /tmp/reference \
        anls==0.0.2 donut-python==1.0.9 nltk==3.10.4 pycocoevalcap==1.2 six==1.17.0 zss==1.2.0
    PYTHONPATH=/tmp/reference python tests/golden/metrics/make_reference.py

Nothing of visionft_trainer is used here. Where no package exists, the published algorithm is written down once more, as
plainly as it goes; docs/metrics.md says where that is so.
"""

import importlib.util
import itertools
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import sacrebleu
import torch
from anls import anls_score
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from torchvision.ops import box_iou
from transformers import DonutProcessor

HERE = Path(__file__).parent


class Reader:
    """Donut's own reading of its tags, without a model's vocabulary."""

    token2json = DonutProcessor.token2json


def donut_evaluator() -> Any:
    """`JSONParseEvaluator` of donut-python; the rest of the package wants other libraries."""
    where = importlib.util.find_spec("donut")
    assert where is not None
    assert where.submodule_search_locations
    spec = importlib.util.spec_from_file_location("donut_util", Path(where.submodule_search_locations[0]) / "util.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.JSONParseEvaluator()


def main() -> None:
    cases = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    for case in cases:
        case["references"] = [clean(text) for text in case["references"]]
        case["answer"] = clean(case["answer"])
    result = {
        "cer": error_rate(cases, list, lambda r, a: jiwer.cer(r, a)),
        "wer": error_rate(cases, words_of_jiwer, lambda r, a: jiwer.wer(r, a)),
        "anls": mean([anls_score(case["answer"], case["references"]) for case in cases]),
        "exactMatch": mean([any(case["answer"] == reference for reference in case["references"]) for case in cases]),
        **documents(cases),
        "relaxedAccuracy": mean([any(relaxed(case["answer"], r) for r in case["references"]) for case in cases]),
        "groundedAccuracy": grounded(cases),
        "multipleChoice": mean([case["choice"] if "choice" in case else same_text(case) for case in cases]),
        "bleu": bleu(cases),
        **captions(cases),
    }
    (HERE / "reference.json").write_text(json.dumps(result, indent=0) + "\n", encoding="utf-8")
    for name, figures in result.items():
        print(f"{name:18} {figures['corpus']:.6f}")


def clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def mean(rows: list[Any]) -> dict[str, Any]:
    return {"corpus": float(np.mean(rows)), "rows": [float(row) for row in rows]}


def edits(one: list[str], other: list[str]) -> int:
    """Levenshtein's distance, from the definition."""
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    table[:, 0], table[0] = range(len(one) + 1), range(len(other) + 1)
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
    return int(table[-1, -1])


def words_of_jiwer(text: str) -> list[str]:
    return list(jiwer.wer_default(text)[0])


def error_rate(
    cases: list[Any], split: Callable[[str], list[str]], corpus: Callable[[list[str], list[str]], float]
) -> dict[str, Any]:
    """jiwer over the references that are nearest by rate; rates of rows from the definition."""
    nearest, rows = [], []
    for case in cases:
        answer = split(case["answer"])
        rates = [edits(split(text), answer) / max(len(split(text)), 1) for text in case["references"]]
        rows.append(min(rates))
        nearest.append(case["references"][rates.index(min(rates))])
    return {"corpus": corpus(nearest, [case["answer"] for case in cases]), "rows": rows}


def parse(text: str, otherwise: Any) -> Any:
    if text.startswith("```") and text.endswith("```"):
        text = text.split("\n", 1)[1].rsplit("\n", 1)[0]
    if "<s_" in text:
        return Reader().token2json(text, added_vocab=[])
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def documents(cases: list[Any]) -> dict[str, Any]:
    evaluator = donut_evaluator()

    def f1(right: Any, given: Any) -> float:
        is_empty = not evaluator.normalize_dict(right) and not evaluator.normalize_dict(given)
        return 1.0 if is_empty else float(evaluator.cal_f1([given], [right]))  # it divides by zero then

    def accuracy(right: Any, given: Any) -> float:
        if evaluator.normalize_dict(right):
            return float(evaluator.cal_acc(given, right))
        return float(not evaluator.normalize_dict(given))  # it divides by zero then

    chosen, rows, trees = [], [], []
    for case in cases:
        given = parse(case["answer"], {})
        rights = [parse(text, text) for text in case["references"]]
        scores = [f1(right, given) for right in rights]
        chosen.append((given, rights[scores.index(max(scores))]))
        rows.append(max(scores))
        trees.append(max(accuracy(right, given) for right in rights))
    corpus = float(evaluator.cal_f1([given for given, _ in chosen], [right for _, right in chosen]))
    return {"fieldF1": {"corpus": corpus, "rows": rows}, "ntedAccuracy": mean(trees)}


def relaxed(answer: str, reference: str) -> bool:
    """The evaluation that Pix2Struct published for ChartQA, step by step."""

    def number(text: str) -> float | None:
        try:
            return float(text[:-1]) / 100 if text[-1:] == "%" else float(text)
        except ValueError:
            return None

    target, prediction = number(reference), number(answer)
    if target and prediction is not None:
        return bool(abs(prediction - target) / abs(target) <= 0.05)
    return answer.lower() == reference.lower()


def grounded(cases: list[Any]) -> dict[str, Any]:
    """Every way to pair the boxes is tried; torchvision says how much two overlap."""
    rows = []
    for case in cases:
        right, given = case.get("boxes", []), case.get("answer_boxes") or []
        found = 0
        if right and given:
            overlap = torch.nan_to_num(box_iou(*(torch.tensor([b[1:] for b in s]).double() for s in (right, given))))
            long, short = (right, given) if len(right) >= len(given) else (given, right)
            overlap = (overlap if long is right else overlap.T).round(decimals=9)
            found = max(
                sum(
                    overlap[i, j] >= 0.5
                    and (not long[i][0] or not short[j][0] or long[i][0].lower() == short[j][0].lower())
                    for j, i in enumerate(way)
                )
                for way in itertools.permutations(range(len(long)), len(short))
            )
        rows.append((int(found), max(len(right), len(given))))
    found, most = np.sum(rows, axis=0)
    return {"corpus": float(found / most), "rows": [found / max(most, 1) for found, most in rows]}


def same_text(case: Any) -> bool:
    """Of rows that are no question with options: right when the answer is a reference."""

    def plain(text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip().rstrip(".").casefold()

    return any(plain(reference) == plain(case["answer"]) for reference in case["references"])


def bleu(cases: list[Any]) -> dict[str, Any]:
    answers = [case["answer"] for case in cases]
    most = max(len(case["references"]) for case in cases)
    streams = [[case["references"][i] if i < len(case["references"]) else None for case in cases] for i in range(most)]
    score = sacrebleu.corpus_bleu(answers, streams, tokenize="zh")
    rows = [
        sacrebleu.sentence_bleu(case["answer"], case["references"], tokenize="zh", use_effective_order=True).score / 100
        for case in cases
    ]
    split = sacrebleu.BLEU(tokenize="zh").tokenizer
    coco, _ = Bleu(4).compute_score(
        {i: [split(text) for text in case["references"]] for i, case in enumerate(cases)},
        {i: [split(case["answer"])] for i, case in enumerate(cases)},
        verbose=0,
    )
    return {"corpus": score.score / 100, "rows": rows, "coco": coco[3]}


def captions(cases: list[Any]) -> dict[str, Any]:
    split = sacrebleu.BLEU(tokenize="zh").tokenizer

    def words(text: str) -> str:
        tokens = split(text.lower()).split()
        return " ".join(t for t in tokens if any(unicodedata.category(c)[0] != "P" for c in t))

    right = {i: [words(text) for text in case["references"]] for i, case in enumerate(cases)}
    given = {i: [words(case["answer"])] for i, case in enumerate(cases)}
    rouge, cider = Rouge().compute_score(right, given), Cider().compute_score(right, given)
    return {"rougeL": mean(list(rouge[1])), "ciderD": mean(list(cider[1]))}


if __name__ == "__main__":
    main()
