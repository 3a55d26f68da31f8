"""Takes the pictures of docs/report-example.html: python docs/img/report.py, with tests/ on the PYTHONPATH."""

import io
from pathlib import Path

from PIL import Image, ImageOps
from support.browser import chromium

HERE = Path(__file__).parent
PAGE = (HERE.parent / "report-example.html").as_uri()
COLOURS = 128  # in each picture
PAPER_MARGIN = 57  # CSS pixels; with it a sheet of A4 is 794 wide
# Name, width and height in CSS pixels, scheme, medium, and the element that stands at the top.
PICTURES = (
    ("report-wide", 1280, 1330, "light", "screen", "body"),
    ("report-dark", 1280, 1120, "dark", "screen", "#curves"),
    ("report-samples", 1280, 1160, "light", "screen", "#samples"),
    ("report-phone", 390, 1330, "light", "screen", "body"),
    ("report-phone-dark", 390, 1330, "dark", "screen", "#samples h3"),
    ("report-print", 680, 1003, "dark", "print", "body"),
)


def main() -> None:
    with chromium() as browser:
        for name, width, height, scheme, medium, top in PICTURES:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.emulate_media(media=medium)
            page.goto(PAGE)
            page.locator(top).first.evaluate("element => element.scrollIntoView()")
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            if medium == "print":
                shot = ImageOps.expand(ImageOps.expand(shot, PAPER_MARGIN, "white"), 1, "grey")
            shot.quantize(COLOURS, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)
            page.close()


if __name__ == "__main__":
    main()
