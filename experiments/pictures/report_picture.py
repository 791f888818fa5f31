"""A picture of report.html as a phone shows it, in columns, for the documents.

depth-ros evaluate demo/clip --against sgbm --out demo/judged
python experiments/pictures/report_picture.py demo/judged/report.html docs/report.jpg
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test"))
from browser import Browser  # noqa: E402

WIDTH = 390
HEIGHT = 1500
COLUMNS = 4
GAP = 12
SCALE = 0.75


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("picture")
    args = parser.parse_args()
    picture = args.picture
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with Browser(shutil.which("chromium"), profile) as browser:
            browser.open(args.report.resolve().as_uri(), (WIDTH, HEIGHT * COLUMNS))
            page = browser.screenshot()
    columns = [page[i * HEIGHT : (i + 1) * HEIGHT] for i in range(COLUMNS)]
    spaced = [
        cv2.copyMakeBorder(c, 0, 0, 0, GAP, cv2.BORDER_CONSTANT, value=(200, 200, 200))
        for c in columns
    ]
    wide = cv2.resize(np.hstack(spaced), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
    cv2.imwrite(picture, wide, [cv2.IMWRITE_JPEG_QUALITY, 75])
    print(picture, Path(picture).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
