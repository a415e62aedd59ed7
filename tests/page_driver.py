"""Drive the page in a browser as a reader would, and read what it shows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


def wait(browser: Any, script: str, seconds: float = 20.0) -> Any:
    return WebDriverWait(browser, seconds, 0.05).until(lambda found: found.execute_script(script))


def click(browser: Any, selector: str) -> None:
    browser.find_element("css selector", selector).click()


def choose(browser: Any, selector: str, value: str) -> None:
    script = """const e = document.querySelector(arguments[0]); e.value = arguments[1];
        e.dispatchEvent(new Event('input', {bubbles: true}))"""
    browser.execute_script(script, selector, value)


def search(browser: Any, text: str) -> None:
    box = browser.find_element("id", "search")
    box.clear()
    box.send_keys(text)


def column(browser: Any, label: str) -> list[str]:
    # Chromium's driver cannot hand over half a character, which a hostile name may hold.
    script = """return [...document.querySelectorAll(`#table tbody td[data-label='${arguments[0]}']`)]
        .map(e => e.innerText.toWellFormed())"""
    found: list[str] = browser.execute_script(script, label)
    return found


def names(browser: Any) -> list[str]:
    """What the rows are called, as a reader sees it."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#table tbody .name')].map(e => e.innerText.toWellFormed())"
    )
    return found


def headings(browser: Any) -> list[str]:
    script = "return [...document.querySelectorAll('#table thead button')].map(e => e.textContent)"
    found: list[str] = browser.execute_script(script)
    return found


def said(browser: Any, selector: str) -> str:
    text: str = browser.find_element("css selector", selector).text
    return text


def points(browser: Any) -> dict[str, dict[str, Any]]:
    """Every network on the plot by its name: across, up, how opaque, whether its name is written."""
    script = """return document.getElementById('plot').data.filter(t => t.customdata).flatMap(t =>
        t.customdata.map((id, i) => [id, {x: t.x[i], y: t.y[i], opacity: t.marker.opacity[i], text: t.text[i]}]))"""
    return {name.split(" ")[0]: point for name, point in browser.execute_script(script)}


def frontier(browser: Any) -> list[list[float]]:
    script = """const line = document.getElementById('plot').data.find(t => t.name === 'Pareto frontier');
        return [line.x, line.y]"""
    found: list[list[float]] = browser.execute_script(script)
    return found


def number(cell: str) -> float:
    return float(cell.removeprefix("\u2265 ").split(maxsplit=1)[0])


def press(browser: Any, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def tab_until(browser: Any, script: str) -> list[str]:
    """Press Tab until an element has the focus; the elements that had it on the way."""
    passed = []
    for _ in range(200):
        press(browser, Keys.TAB)
        passed.append(browser.execute_script("const e = document.activeElement; return e.id || e.name || e.innerText"))
        if browser.execute_script(f"const e = document.activeElement; return {script}"):
            return passed
    raise AssertionError(f"{script} is out of reach: {passed}")


def downloaded(browser: Any, folder: Path, button: str, name: str) -> str:
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    click(browser, button)
    for _ in range(200):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
        time.sleep(0.05)
    raise AssertionError(f"{name} was not downloaded")
