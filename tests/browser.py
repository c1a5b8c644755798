"""Pages in a real browser, and what was seen of them.

A busy machine draws late: a test says what it looks for and waits until it is there, never for a fixed time.
"""

import io
import time
from contextlib import contextmanager

import numpy as np
from PIL import Image

LIMIT = 120  # seconds after which what was looked for will not come; an idle machine takes less than one


@contextmanager
def opened(chromium, path, width=1100, height=800, dark=False):
    """A page opened from a file, its charts made. Requests that leave it, console errors and exceptions fail."""
    phone = width < 600
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", is_mobile=phone, has_touch=phone
    )
    context.set_default_timeout(LIMIT * 1000)
    page = context.new_page()
    wrong = []
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: wrong.append(str(e)))
    try:
        page.goto(f"file://{path}")
        page.wait_for_function("document.documentElement.dataset.ready !== undefined")
        assert page.evaluate("document.documentElement.dataset.ready") == "true"
        yield page
        assert not wrong
    finally:
        context.close()


def until(tab, look, wanted, seconds=LIMIT):
    """What ``look()`` returns, as soon as ``wanted`` holds of it."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"not seen in {seconds} s; the page says:\n{tab.inner_text('body')[:2000]}"
        tab.wait_for_timeout(100)  # the browser's events are served meanwhile
    return seen


def still(tab, look, wanted):
    """A picture that ``look()`` returns, as soon as ``wanted`` holds of it and it does not change any more."""
    deadline, last = time.monotonic() + LIMIT, None
    while True:
        seen = until(tab, look, wanted, max(deadline - time.monotonic(), 0))
        if last is not None and np.array_equal(seen, last):
            return seen
        last = seen
        tab.wait_for_timeout(200)


def pixels(locator):
    """A screenshot of an element, (h, w, 3)."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(float)


def model_in(picture):
    """Where a picture differs from its corners' colour: a mask (h, w)."""
    return np.abs(picture - picture[2, 2]).max(2) > 25
