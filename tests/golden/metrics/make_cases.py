"""Writes cases.json: 500 rows on which every metric is held against its reference implementation.

python tests/golden/metrics/make_cases.py
"""

import json
import random
import unicodedata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SEED = 20260721
WORDS = {
    "latin": "the quick brown fox jumps over a lazy dog while nobody looks at it and naïve façade Straße",
    "greek": "η γρήγορη αλεπού πηδά πάνω από τον τεμπέλη σκύλο σήμερα",
    "cyrillic": "быстрая лиса прыгает через ленивую собаку ещё раз вечером",
    "arabic": "الثعلب البني السريع يقفز فوق الكلب الكسول مُحَمَّد ١٢٣",
    "hebrew": "השועל החום המהיר קופץ מעל הכלב העצלן שָׁלוֹם",
    "devanagari": "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है क्षत्रिय",
    "thai": "สุนัขจิ้งจอก สีน้ำตาล กระโดด ข้าม สุนัข ขี้เกียจ",
    "korean": "빠른 갈색 여우가 게으른 개를 뛰어넘는다 오늘도",
    "vietnamese": "con cáo nâu nhanh nhẹn nhảy qua chú chó lười biếng Tiếng Việt",
    "emoji": "👩‍👩‍👧 🇩🇪 👍🏽 ❤️ 😀 🏴‍☠️ ok",
}
CHINESE = "敏捷的棕色狐狸跳过懒狗，今天天气很好。二〇二六年七月"  # noqa: RUF001
JAPANESE = "すばやい茶色の狐がのろまな犬を飛び越えるトウキョウ"
CAPTIONS = [
    ["a man rides a bicycle down the street", "a person on a bike in the road", "someone cycling past parked cars"],
    ["two dogs play with a ball on the grass", "two dogs are playing in a green field", "dogs chasing a red ball"],
    ["a plate of food with rice and vegetables", "rice and vegetables on a white plate"],
    ["a cat sleeps on the sofa", "the cat is asleep on a couch", "a grey cat lying on a sofa", "sleeping cat"],
    ["people wait for a train at the station, in the rain.", "a crowd of people on a railway platform"],
    ["狐狸跳过了一只懒狗", "一只狐狸从狗身上跳过去"],
    ["犬が公園でボールを追いかけている"],
    ["ein Kind isst ein Eis am Strand", "am Strand isst ein Kind Eis"],
    ["رجل يركب دراجة في الشارع"],
    ["a a a a", "a a"],
]


def main() -> None:
    draw = random.Random(SEED)
    cases = [
        *(text_case(draw) for _ in range(150)),
        *edge_cases(),
        *(number_case(draw) for _ in range(50)),
        *(document_case(draw) for _ in range(90)),
        *(caption_case(draw) for _ in range(80)),
        *(choice_case(draw) for _ in range(40)),
    ]
    cases += [box_case(draw) for _ in range(500 - len(cases))]
    assert len(cases) == 500
    (HERE / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def case(references: list[str], answer: str, **more: Any) -> dict[str, Any]:
    return {"references": references, "answer": answer, **more}


def text(draw: random.Random) -> str:
    kind = draw.choice([*WORDS, "chinese", "japanese"])
    if kind in ("chinese", "japanese"):
        source = CHINESE if kind == "chinese" else JAPANESE
        start = draw.randrange(len(source) - 4)
        return source[start : start + draw.randint(2, 14)]
    return " ".join(draw.choices(WORDS[kind].split(), k=draw.randint(1, 12)))


def edited(draw: random.Random, text: str, rate: float) -> str:
    out = []
    for character in text:
        if draw.random() >= rate:
            out.append(character)
            continue
        match draw.choice("dirs"):
            case "i":
                out += [character, draw.choice("xyz 0é字")]
            case "r":
                out.append(draw.choice("abc1 字م"))
            case "s":
                out.insert(max(len(out) - 1, 0), character)
    return "".join(out)


def text_case(draw: random.Random) -> dict[str, Any]:
    references = [text(draw) for _ in range(draw.choice([1, 1, 1, 2, 3]))]
    answer = edited(draw, draw.choice(references), draw.choice([0, 0, 0.03, 0.1, 0.3, 0.5, 0.7]))
    match draw.randrange(12):
        case 0:
            answer = unicodedata.normalize("NFD", answer)
        case 1:
            answer = f" \t{answer}\n\n"
        case 2:
            answer = ""
        case 3:
            answer = answer.upper()
        case 4:
            answer = text(draw)
        case 5:
            answer = answer.replace(" ", "  ")
    return case(references, answer)


def edge_cases() -> list[dict[str, Any]]:
    return [
        case([""], ""),
        case([""], "something"),
        case(["  "], "\n"),
        case(["", "x y"], ""),
        case(["", "x y"], "x y"),
        case(["abcd"], "ab"),  # exactly half is wrong
        case(["abcd"], "abc"),
        case(["ab", "abcd"], "abc"),  # a tie of distances, not of rates
        case(["xbc", "axc"], "abc"),  # a tie
        case(["abc", "abc"], "abc"),
        case(["e\u0301t\u00e9"], "\u00e9te\u0301"),
        case(["\u1112\u1161\u11ab"], "한"),
        case(["\u2126"], "\u03a9"),  # the sign for ohm is an omega, canonically
        case(["ﬁne"], "fine"),  # a ligature is not
        case(["①"], "1"),
        case(["\u200babc"], "abc"),
        case(["\u202babc\u202c"], "abc"),
        case(["a\u00a0b"], "a b"),
        case(["one\ntwo three"], "one two\nthree"),
        case(["İstanbul"], "i̇stanbul"),
        case(["Straße"], "STRASSE"),
        case(["x"], "x" * 3000),
        case(["word " * 300], "word " * 299 + "sword"),
        case(["<skipped> &amp; &quot;quoted&quot;"], '& "quoted"'),
        case(["1,000.50 items-left"], "1,000.50 items - left"),
        case(["...", "!?"], "."),
        case(["💾 " * 5], "💾💾💾💾💾"),
    ]


def number_case(draw: random.Random) -> dict[str, Any]:
    number = draw.choice([0, 1, 7, 42, 100, 1234.5, 0.03, -12, 2e6])
    off = draw.choice([1, 1, 1.02, 0.97, 1.05, 0.95, 1.0500001, 1.2, -1])
    shape = draw.choice(["{}", "{}", "{}%", "{} kg", "${}", "{:.1f}", "{:.2e}", "{:,}"])
    answer = draw.choice([shape, shape, "{}", "{}%"]).format(number * off)
    references = [shape.format(number), *draw.choice([[], [], [shape.format(number * 2)]])]
    return case(references, draw.choice([answer] * 6 + ["", "about " + answer, answer.upper()]))


def document(draw: random.Random, depth: int = 0) -> Any:
    fields: dict[str, Any] = {}
    for key in draw.sample(["total", "menu", "nm", "price", "date", "店名", "Ünit", "cnt", "sub"], draw.randint(1, 4)):
        kind = draw.randrange(9)
        if kind < 4 or depth > 2:
            fields[key] = draw.choice(["cake", "12.50", "コーヒー", " padded ", "مقهى", "x y z", "", "0"])
        elif kind == 4:
            fields[key] = draw.choice([0, 3, 2.5, True, False, None, -1])
        elif kind == 5:
            fields[key] = draw.choices(["a", "b", "", 4, 1.5, None], k=draw.randint(0, 4))
        elif kind == 6:
            fields[key] = [document(draw, depth + 1) for _ in range(draw.randint(0, 3))]
        elif kind == 7:
            fields[key] = [document(draw, depth + 1), "loose", 5]
        else:
            fields[key] = document(draw, depth + 1)
    return fields


def changed(draw: random.Random, value: Any) -> Any:
    """A document with some fields lost, renamed, repeated, or misread."""
    if isinstance(value, dict):
        kept = {
            (key + "s" if draw.random() < 0.05 else key): changed(draw, item)
            for key, item in value.items()
            if draw.random() > 0.08
        }
        return dict(sorted(kept.items(), reverse=True)) if draw.random() < 0.3 else kept
    if isinstance(value, list):
        items = [changed(draw, item) for item in value if draw.random() > 0.1]
        return items + items[:1] if draw.random() < 0.1 else items
    if isinstance(value, str) and draw.random() < 0.25:
        return edited(draw, value, 0.4)
    return value


def tagged(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<s_{key}>{tagged(item)}</s_{key}>" for key, item in value.items())
    if isinstance(value, list):
        return "<sep/>".join(tagged(item) for item in value)
    return str(value)


def receipt(draw: random.Random) -> dict[str, Any]:
    """Without what Donut's tags cannot say."""

    def item() -> dict[str, str]:
        name = draw.choice(["latte", "カレー", "bún chả", "tea"])
        return {"nm": name, "cnt": str(draw.randint(1, 4)), "price": f"{draw.random() * 9:.2f}"}

    return {"menu": [item() for _ in range(draw.randint(1, 5))], "total": {"price": f"{draw.random() * 99:.2f}"}}


def document_case(draw: random.Random) -> dict[str, Any]:
    right = receipt(draw) if draw.random() < 0.5 else document(draw)
    references = [dump(right), *([dump(document(draw))] if draw.random() < 0.15 else [])]
    given = changed(draw, right)
    kind = draw.randrange(13)
    if kind == 0:
        answer = dump(given)[:-1]  # broken off
    elif kind == 1:
        answer = f"```json\n{json.dumps(given, ensure_ascii=False, indent=2)}\n```"
    elif kind == 2:
        answer = draw.choice(
            ["", "{}", "[]", "null", "no JSON", "[[[[1]]]]", '"cake"', "17", "{'menu': 1}", "[" * 5000]
        )
    elif kind == 3:
        answer = f"Here it is: {dump(given)}"
    elif kind in (4, 5) and "total" in right and isinstance(right["total"], dict):
        answer = tagged(given)
    elif kind == 6 and isinstance(right.get("total"), dict):
        answer = tagged(given)[:-7]
    elif kind == 7:
        answer = dump([given, given])
    elif kind == 8:
        answer = dump(right)
    else:
        answer = dump(given)
    if draw.random() < 0.04:
        references = [draw.choice(["{}", "[]", dump({"a": None})])]
    return case(references, answer)


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def caption_case(draw: random.Random) -> dict[str, Any]:
    references = draw.choice(CAPTIONS)
    references = draw.sample(references, draw.randint(1, len(references)))
    words = draw.choice(references).split(" ")
    kind = draw.randrange(8)
    if kind == 0:
        words = draw.choice(CAPTIONS)[0].split(" ")
    elif kind == 1:
        draw.shuffle(words)
    elif kind == 2:
        words = words * 3
    elif kind == 3:
        words = words[: draw.randint(0, 3)]
    elif kind < 7:
        words = [word for word in words if draw.random() > 0.15]
    return case(references, (" ".join(words) + draw.choice(["", ".", "!"])).capitalize())


def choice_case(draw: random.Random) -> dict[str, Any]:
    """With what a person would say of it: `choice`, right or wrong."""
    cities = {"A": "London", "B": "Paris", "C": "Köln", "D": "東京"}
    right = draw.choice("ABCD")
    given = draw.choice([right, right, draw.choice("ABCD")])
    other = draw.choice([letter for letter in "ABCD" if letter != given])
    forms = [
        "{g}", "({g})", "{g}.", "{g}. {t}", "{g}) {t}", "({g}) {t}", "The answer is {g}", "The answer is ({g}).",
        "Answer: {g}", "the correct option is {g}, because it is bigger", "**{g}**", "{low}", "{t}",
    ]  # fmt: skip
    unclear = ["{g} or {o}", "{g}, {o}", "({g}) and ({o})", "{g}. {t}. The answer is {o}", "", "all of them", "{o}{g}"]
    is_clear = draw.random() < 0.75
    with_text = draw.random() < 0.6
    form = draw.choice(forms if is_clear else unclear)
    if form == "{t}":
        with_text = True
    answer = form.format(g=given, o=other, t=cities[given], low=given.lower())
    reference = f"{right}. {cities[right]}" if with_text else right
    return case([reference], answer, choice=is_clear and given == right)


def box_case(draw: random.Random) -> dict[str, Any]:
    count = draw.choice([1, 1, 1, 2, 3, 4, 0])
    boxes = [box(draw) for _ in range(count)]
    answers = [moved(draw, one) for one in boxes if draw.random() > 0.15]
    answers += [box(draw) for _ in range(draw.choice([0, 0, 0, 1, 2]))]
    if draw.random() < 0.1:
        answers += answers[:1]
    draw.shuffle(answers)
    written = None if not answers and draw.random() < 0.7 else answers
    return case([f"{count} boxes"], f"{len(answers)} boxes", boxes=boxes, answer_boxes=written)


def box(draw: random.Random) -> list[Any]:
    left, top = draw.random() * 0.7, draw.random() * 0.7
    width, height = draw.choice([0, 0.1, 0.25]), draw.choice([0.1, 0.2, 0.3])
    return [draw.choice(["cat", "dog", "", "狐狸"]), left, top, left + width, top + height]


def moved(draw: random.Random, one: list[Any]) -> list[Any]:
    label, *edges = one
    if draw.random() < 0.15:  # half of it: the overlap is exactly 0.5
        return [label, edges[0], edges[1], edges[2], (edges[1] + edges[3]) / 2]
    wobble = draw.choice([0, 0.01, 0.03, 0.1])
    label = draw.choice([label] * 5 + [label.upper(), "cat", ""])
    return [label, *(edge + draw.uniform(-wobble, wobble) for edge in edges)]


if __name__ == "__main__":
    main()
