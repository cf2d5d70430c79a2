"""A real browser without a window, driven through a pipe; and pages parsed without one."""

import base64
import fcntl
import html.parser
import json
import os
import select
import shutil
import subprocess
import sys
import time

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_VOID = {"meta", "br", "img", "wbr", "link", "input", "hr"}
_SECONDS = 60
MISSING = f"none of {', '.join(_NAMES)} is installed"


def program():
    """The path of an installed browser, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Parsed(html.parser.HTMLParser):
    """The elements of a page, which closes what it opens in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def lines(self, look=""):
        return [line for line in self.all("polyline") if look in line["class"].split() or not look]


class Browser:
    """One tab of a browser, that speaks the DevTools protocol.

    Attributes:
      complaints: what the console of the page now open says, and what it throws.
      requests: the addresses that it asked for, its own among them.
    """

    def __init__(self, profile):
        here, there = os.pipe(), os.pipe()  # to the browser, which has it as 3, and from it, 4
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (here[0], there[1])]
        code = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
            "os.execv(sys.argv[3], sys.argv[3:])"
        )
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        options += [f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, ends), program(), *options],
            pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (*ends, here[0], there[1]):
            os.close(end)
        self._to, self._from = here[1], there[0]
        self._data, self._number, self._session = b"", 0, None
        self.complaints, self.requests, self._loaded = [], [], False
        deadline, pages = time.monotonic() + _SECONDS, []
        while not pages:  # the first comes a moment after the browser
            assert time.monotonic() < deadline, "the browser opens no page"
            targets = self.call("Target.getTargets")["targetInfos"]
            pages = [target["targetId"] for target in targets if target["type"] == "page"]
        found = self.call("Target.attachToTarget", targetId=pages[0], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait(_SECONDS)
        os.close(self._to)
        os.close(self._from)

    def open(self, path, fragment="", width=1280, height=900, dark=False, scripts=True):
        """Opens a file in a window of so many pixels; a narrow one is a phone's."""
        phone = width < 600
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._navigate("about:blank")  # or another fragment alone would load nothing
        self.complaints, self.requests = [], []
        self._navigate(path.as_uri() + fragment)

    def _navigate(self, url):
        self._loaded = False
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + _SECONDS
        while not self._loaded:
            self._take(deadline)
        place = url.partition("#")[0]
        while not self.evaluate(f"location.href.startsWith({json.dumps(place)})"):
            assert time.monotonic() < deadline, "the page does not come"

    def evaluate(self, expression):
        """What an expression in the page comes to, as a JSON value; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def point(self, selector, x=0.5, y=0.5):
        """A place in an element, from 0 to 1 each way, in pixels of the window."""
        node = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{node}.scrollIntoView({{block: 'center'}})")
        # The page is told of the scrolling by the next frame.
        frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.evaluate(f"{frame}.then(() => true)")
        box = self.evaluate(f"{node}.getBoundingClientRect().toJSON()")
        return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}

    def move(self, selector, x=0.5, y=0.5):
        """Moves the mouse there."""
        at = self.point(selector, x, y)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **at)

    def click(self, selector, x=0.5, y=0.5):
        """Presses the mouse there."""
        at = self.point(selector, x, y) | {"button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def tap(self, selector, x=0.5, y=0.5):
        """Touches the screen there."""
        at = self.point(selector, x, y)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key):
        """A key of the keyboard, to what has the focus."""
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path, whole=True):
        """Writes a PNG of the page, all of its height or what the window shows."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def call(self, method, **parameters):
        """The answer to a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _SECONDS
        while True:
            answer = self._take(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _take(self, deadline):
        """The next message; what the page says of itself is kept."""
        while b"\0" not in self._data:
            ready, _, _ = select.select([self._from], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser is silent"
            found = os.read(self._from, 1 << 20)
            assert found, "the browser has ended"
            self._data += found
        text, _, self._data = self._data.partition(b"\0")
        message = json.loads(text)
        kind, told = message.get("method"), message.get("params", {})
        if kind in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.complaints.append(told)
        elif kind == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif kind == "Page.loadEventFired":
            self._loaded = True
        return message


def assert_nothing_is_fetched(text):
    """Of a page that is one file: it names no other, and its pictures are in it."""
    assert not [word for word in ("://", "url(", "@import") if word in text]
    parsed = Parsed(text)
    assert not parsed.all("link")
    assert all("src" not in script for script in parsed.all("script"))
    assert all(image["src"].startswith("data:") for image in parsed.all("img"))
