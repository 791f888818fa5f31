"""A picture of the page in a headless Chromium, for the documents.

depth-ros view demo/clip --save page.rrd
python experiments/pictures/view_picture.py page.rrd docs/view.jpg
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test"))
from browser import Browser  # noqa: E402

PORT = 24_680
DRAWN_S = 60  # software rendering takes its time, decoding pictures most of it


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path)
    parser.add_argument("picture")
    args = parser.parse_args()
    picture = args.picture
    command = [
        sys.executable,
        "-m",
        "depth_ros",
        "view",
        str(args.page.resolve()),
        "--port",
        str(PORT),
    ]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            with Browser(shutil.which("chromium"), profile) as browser:
                browser.open(address, (1280, 860))
                time.sleep(DRAWN_S)
                cv2.imwrite(picture, browser.screenshot()[36:], [cv2.IMWRITE_JPEG_QUALITY, 82])
    finally:
        server.terminate()
        server.wait(10)
    print(picture, Path(picture).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
