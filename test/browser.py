"""A headless Chromium for tests, spoken to over a pipe (Chrome DevTools Protocol): nothing to
install but Chromium.
"""

import base64
import fcntl
import json
import os
import subprocess
import time

import cv2
import numpy as np


class Browser:
    """Chromium with a profile of its own; software rendering, so that it runs anywhere. with
    ends it.
    """

    def __init__(self, program, profile):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ]
        command += [
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            f"--user-data-dir={profile}",
        ]
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_read, to_write)]

        def take_places():  # the browser reads commands from its descriptor 3 and answers on 4
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [*command, "about:blank"],
            preexec_fn=take_places,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (to_read, to_write, *high):
            os.close(fd)
        self._buffer, self._count = b"", 0
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        os.close(self._read)
        os.close(self._write)

    def open(self, url, size=(1280, 800)):
        """Open a page in a window of (width, height)."""
        width, height = size
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self._tell("Page.navigate", url=url)
        self.wait(lambda: self.value("document.readyState") == "complete", 20)

    def value(self, script):
        """The value of a JavaScript expression on the page."""
        answer = self._tell("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def screenshot(self):
        """What the window shows, (H, W, 3) uint8 BGR."""
        data = self._tell("Page.captureScreenshot", format="png")["data"]
        return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)

    @staticmethod
    def wait(condition, limit_s):
        """Ask again and again; gives the last answer."""
        end = time.monotonic() + limit_s
        while not (answer := condition()) and time.monotonic() < end:
            time.sleep(0.2)
        return answer

    def _tell(self, method, **parameters):
        return self._ask(method, self._session, **parameters)

    def _ask(self, method, session=None, **parameters):
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                part = os.read(self._read, 1 << 20)
                assert part, "the browser has gone"
                self._buffer += part
            text, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(text)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]
