"""Pages in a real browser, and what was seen of them."""

import io
from contextlib import contextmanager

import numpy as np
from PIL import Image


@contextmanager
def opened(chromium, path, width=1100, height=800, dark=False):
    """A page opened from a file, its charts drawn. Requests that leave it, console errors and exceptions fail."""
    phone = width < 600
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", is_mobile=phone, has_touch=phone
    )
    page = context.new_page()
    wrong = []
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: wrong.append(str(e)))
    page.goto(f"file://{path}")
    page.wait_for_function("document.documentElement.dataset.ready !== undefined", timeout=120_000)
    assert page.evaluate("document.documentElement.dataset.ready") == "true"
    page.wait_for_timeout(1000)
    yield page
    assert not wrong
    context.close()


def pixels(locator):
    """A screenshot of an element, (h, w, 3)."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(float)


def model_in(picture):
    """Where a picture differs from its corners' colour: a mask (h, w)."""
    return np.abs(picture - picture[2, 2]).max(2) > 25
