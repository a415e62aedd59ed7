"""The page in a real browser: opened from disk without a network, used by mouse, keyboard and on a phone."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segbench.audit.recorded import audit_records
from segbench.claims import load_claims
from segbench.report.measured import measured
from segbench.report.page import page
from tests.report_records import HOSTILE, hostile_records, records

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

pytestmark = pytest.mark.slow

WIDE, PHONE = (1280, 900), (390, 844)
CPU = "AMD EPYC 9654 96-Core Processor"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium that can reach no host."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-sync", "--disable-component-update", "--no-first-run"),
        *("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND"),
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(flag)
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver, log_output=os.devnull)
    found = webdriver.Chrome(options=options, service=service)
    yield found
    found.quit()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of ordinary, of hostile and of very many Records."""
    folder, claims, items = tmp_path_factory.mktemp("site"), load_claims(), records(60)
    verdicts = [judgement.to_json() for judgement in audit_records(items, claims)]
    files = {"plots": [["a", "A plot"]], "papers": [["b", "A table"]], "formats": ["svg", "png"]}
    (folder / "plain.html").write_text(page(measured(items), claims, verdicts, files))
    (folder / "mixed.html").write_text(page(measured([*items, *records(40, seed=1, device=CPU)]), claims))
    (folder / "hostile.html").write_text(page(measured([*items[:3], *hostile_records()]), claims))
    many = [item for seed in range(170) for item in _renamed(records(60, seed=seed), seed)]
    assert len(many) > 10_000
    (folder / "many.html").write_text(page(measured(many), claims))
    return folder


def _renamed(items: list[Any], seed: int) -> list[Any]:
    for item in items:
        item.classes = 19 if seed == 0 else 100 + seed
    return items


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Callable[..., Any]]:
    """Open a page at a size; afterwards it has logged no error and asked nobody for anything."""

    def show(name: str = "plain", size: tuple[int, int] = WIDE, scheme: str = "light") -> Any:
        (width, height), mobile = size, size == PHONE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get((site / f"{name}.html").as_uri())
        wait(browser, "return document.documentElement.dataset.ready === 'yes'")
        return browser

    browser.get_log("browser")
    yield show
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def wait(browser: Any, script: str, seconds: float = 20.0) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.05).until(lambda found: found.execute_script(script))


def click(browser: Any, selector: str) -> None:
    browser.find_element("css selector", selector).click()


def choose(browser: Any, selector: str, value: str) -> None:
    script = (
        "const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, selector, value)


def column(browser: Any, label: str) -> list[str]:
    # Chromium's driver cannot hand over half a character, which a hostile name may hold.
    script = """return [...document.querySelectorAll(`#table tbody td[data-label='${arguments[0]}']`)]
        .map(e => e.innerText.toWellFormed())"""
    found: list[str] = browser.execute_script(script, label)
    return found


def count(browser: Any) -> str:
    text: str = browser.execute_script("return document.getElementById('count').textContent")
    return text


def test_columns_sort_both_ways_and_missing_figures_stay_last(opened: Callable[..., Any]) -> None:
    browser = opened()
    choose(browser, "#page-size", "0")
    for label, key in (("FPS", "fps"), ("Params (M)", "params"), ("Size (HxW)", "size")):
        seen = []
        for _ in range(2):
            click(browser, f"#table thead button[data-key='{key}']")
            cells = column(browser, label)
            known = [cell for cell in cells if cell != "-"]
            assert cells == known + ["-"] * (len(cells) - len(known)), "a missing figure is not last"
            numbers = [float(cell) if "x" not in cell else int.__mul__(*map(int, cell.split("x"))) for cell in known]
            seen.append(numbers)
        assert seen[0] in (sorted(seen[0]), sorted(seen[0], reverse=True))
        assert sorted(seen[0]) == sorted(seen[1])
        assert (seen[0] == sorted(seen[0])) != (seen[1] == sorted(seen[1]))
    heading = browser.find_element("css selector", "#table thead button[data-key='size']").find_element("xpath", "..")
    assert heading.get_attribute("aria-sort") in ("ascending", "descending")


def test_search_and_filters_narrow_the_table(opened: Callable[..., Any]) -> None:
    browser = opened()
    everything = count(browser)
    browser.find_element("id", "search").send_keys("mfpnet no-sgcn")
    wait(browser, "return document.querySelectorAll('#table tbody tr').length === 1")
    assert column(browser, "Network") == ["mfpnet-no-sgcn"]
    click(browser, "#reset")
    assert count(browser) == everything
    for name, label, value in (("fidelity", "Fidelity", "official"), ("size", "Size (HxW)", "512x1024")):
        choose(browser, f"#filter-{name}", value)
        assert set(column(browser, label)) == {value}
        click(browser, "#reset")
    rings = """return (document.getElementById('plot').data || []).filter(t => t.name === 'as a paper claims it')
        .flatMap(t => t.text)"""
    choose(browser, "#group", "Cityscapes, 512x1024")
    choose(browser, "#x-axis", "macs")
    assert any("msfnet" in text for text in browser.execute_script(rings))
    choose(browser, "#filter-family", "ESeg")
    assert not any("msfnet" in text for text in browser.execute_script(rings))
    click(browser, "#reset")
    choose(browser, "#filter-printedIn", "efrnet")
    assert "efrnet" in column(browser, "Network")
    assert "mfpnet" not in column(browser, "Network")
    browser.find_element("id", "search").send_keys("no such network")
    wait(browser, "return document.querySelector('#table tbody').innerText.includes('No network')")


def test_columns_can_be_chosen(opened: Callable[..., Any]) -> None:
    browser = opened()
    assert column(browser, "Energy (mJ)") == []
    click(browser, "#chooser summary")
    script = "return [...document.querySelectorAll('#columns label')].find(e => e.textContent === arguments[0])"
    browser.execute_script(script, "Energy (mJ)").click()
    assert len(column(browser, "Energy (mJ)")) == len(column(browser, "Network"))
    browser.execute_script(script, "Params (M)").click()
    assert column(browser, "Params (M)") == []


def points(browser: Any) -> list[list[Any]]:
    """Name, across and up of every network on the plot."""
    script = """return document.getElementById('plot').data.filter(t => t.customdata)
        .flatMap(t => t.customdata.map((name, i) => [name, t.x[i], t.y[i]]))"""
    found: list[list[Any]] = browser.execute_script(script)
    return found


def test_the_plot_follows_axes_filters_and_hover(opened: Callable[..., Any]) -> None:
    browser = opened()
    choose(browser, "#group", "Cityscapes, 512x1024")
    items = {item.model: item for item in records(60)}
    choose(browser, "#x-axis", "params")
    shown = points(browser)
    assert {"mfpnet", "frfnet", "bisenetv2"} <= {name for name, _, _ in shown}
    for name, across, _ in shown:
        item = items[name]
        assert item.params is not None
        assert across == pytest.approx(item.params / 1e6, rel=1e-5)
    assert browser.execute_script("return document.getElementById('plot').layout.xaxis.title.text") == "Parameters (M)"
    assert {name: up for name, _, up in shown}["mfpnet"] == 71.5
    choose(browser, "#y-axis", "latency")
    speed = items["mfpnet"].speed
    assert speed is not None
    assert {name: up for name, _, up in points(browser)}["mfpnet"] == pytest.approx(1e3 / speed.fps, rel=1e-4)
    choose(browser, "#y-axis", "miou")
    browser.find_element("id", "search").send_keys("mfpnet-no-sgcn")
    wait(browser, "return document.getElementById('plot-note').textContent.startsWith('1 point;')")
    click(browser, "#reset")
    script = """const plot = document.getElementById('plot');
        const curve = plot.data.findIndex(t => (t.customdata || []).includes('mfpnet'));
        Plotly.Fx.hover(plot, [{curveNumber: curve, pointNumber: plot.data[curve].customdata.indexOf('mfpnet')}])"""
    browser.execute_script(script)
    text = wait(browser, "return document.querySelector('#plot .hoverlayer').textContent")
    for part in ("mfpnet", "71.5", "Parameters (M): 1.00", "reconstruction"):
        assert part in text


def test_timings_under_other_conditions_are_not_drawn_together(opened: Callable[..., Any]) -> None:
    browser = opened("mixed")
    choose(browser, "#group", "Cityscapes, 512x1024")
    seen = []
    for condition in ("NVIDIA H200, forward, fp32", f"CPU {CPU}, forward, fp32"):
        choose(browser, "#timing", condition)
        assert f"timed on {condition};" in browser.execute_script(
            "return document.getElementById('plot-note').textContent"
        )
        names = [name for name, _, _ in points(browser)]
        assert len(names) == len(set(names))
        seen.append({name: across for name, across, _ in points(browser)})
    assert seen[0]["mfpnet"] != seen[1]["mfpnet"]
    # What was counted is the same on every device: one point, and nothing to choose.
    choose(browser, "#x-axis", "macs")
    assert not browser.find_element("id", "timing-field").is_displayed()


@pytest.mark.parametrize(
    ("across", "up", "shape"),
    [("fps", "miou", "vh"), ("params", "miou", "hv"), ("params", "latency", "hv"), ("fps", "params", "vh")],
)
def test_the_frontiers_steps_promise_no_more_than_was_measured(
    opened: Callable[..., Any], across: str, up: str, shape: str
) -> None:
    browser = opened()
    choose(browser, "#x-axis", across)
    choose(browser, "#y-axis", up)
    script = """return document.getElementById('plot').data.find(t => t.name === 'Pareto frontier').line.shape"""
    assert browser.execute_script(script) == shape


def test_an_empty_plot_is_a_sentence(opened: Callable[..., Any]) -> None:
    browser = opened()
    browser.find_element("id", "search").send_keys("no such network")
    wait(browser, "return document.getElementById('plot-note').textContent.startsWith('No network')")
    assert not browser.find_element("id", "plot").is_displayed()
    click(browser, "#reset")
    assert browser.find_element("id", "plot").is_displayed()
    assert points(browser)


def test_a_claim_says_on_what_it_was_measured(opened: Callable[..., Any]) -> None:
    browser = opened()
    browser.find_element("id", "search").send_keys("mfpnet-no-sgcn")
    wait(browser, "return document.querySelectorAll('#table tbody tr').length === 1")
    assert column(browser, "Claimed mIoU (%)") == ["69.9\nCityscapes test"]


def test_a_networks_card_tells_everything(opened: Callable[..., Any]) -> None:
    browser = opened()
    button = browser.find_element("xpath", "//td/button[text()='mfpnet']")
    button.click()
    wait(browser, "return document.querySelectorAll('#card .js-plotly-plot').length === 2")
    text = browser.execute_script("return document.getElementById('card').innerText")
    for part in (
        *("MFPNet", "reconstruction", "1,001,696", "V100", "FPS as each switch is applied", "NVIDIA H200"),
        *("Where the MACs are", "stage2.0", "copies", "not kept", "18.6", "ptflops-0.6.3", "exact", "torch"),
    ):
        assert part in text, part
    assert browser.execute_script("return location.hash") == "#network=mfpnet"
    click(browser, "#close")
    assert not browser.execute_script("return document.getElementById('card').open")
    assert browser.execute_script("return document.activeElement.textContent") == "mfpnet"
    browser.execute_script("location.hash = '#network=pspnet-r101'")
    wait(browser, "return document.getElementById('card').innerText.includes('out of memory')")


def test_the_keyboard_reaches_everything(opened: Callable[..., Any]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.execute_script("return document.activeElement.className") == "skip"
    browser.execute_script("document.querySelector('#table thead button').focus()")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    names = column(browser, "Network")
    assert names == sorted(
        names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    )
    assert browser.execute_script("return document.activeElement.dataset.key") == "network"
    browser.execute_script("document.querySelector('#table tbody button').focus()")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.execute_script("return document.getElementById('card').open")
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not browser.execute_script("return document.getElementById('card').open")
    assert browser.execute_script("return document.activeElement.closest('#table') !== null")
    script = """return [...document.querySelectorAll('button, select, input, summary')]
        .filter(e => e.tabIndex < 0 || !(e.textContent.trim() || e.closest('label') || e.ariaLabel))
        .map(e => e.outerHTML)"""
    assert browser.execute_script(script) == []


OUTSIDE = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  if (!box.width || !box.height || style.visibility === 'hidden') return false;
  if (e.closest('.skip, .hoverlayer, #js-plotly-tester, thead')) return false;
  if (box.right > width + 1 || box.left < -1) return true;
  // Text that its own box clips.
  return style.overflowX === 'hidden' && e.scrollWidth > e.clientWidth + 1 && e.children.length === 0;
}).map(e => e.outerHTML.slice(0, 120))
"""


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off(opened: Callable[..., Any], size: tuple[int, int], scheme: str, tmp_path: Path) -> None:
    browser = opened(size=size, scheme=scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") == size[0]
    assert browser.execute_script(OUTSIDE) == []
    content = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
    _keep(base64.b64decode(content), f"page-{size[0]}-{scheme}.png", tmp_path)
    click(browser, "#chooser summary")
    assert browser.execute_script(OUTSIDE) == []
    heights = "return [...document.querySelectorAll('#columns label')].map(e => e.clientHeight)"
    assert max(browser.execute_script(heights)) < 60, "a column's name has no room"
    click(browser, "#chooser summary")
    browser.execute_script("location.hash = '#network=mfpnet'")
    wait(browser, "return document.querySelectorAll('#card .js-plotly-plot').length === 2")
    assert (
        browser.execute_script("const e = document.getElementById('card'); return e.scrollWidth - e.clientWidth") <= 0
    )
    assert browser.execute_script(OUTSIDE) == []
    # No label of a chart leaves it.
    labels = """return [...document.querySelectorAll('#card .chart')].flatMap(chart => {
        const right = chart.getBoundingClientRect().right;
        return [...chart.querySelectorAll('.bartext')].filter(e => e.getBoundingClientRect().right > right + 1)
            .map(e => e.textContent) })"""
    assert browser.execute_script(labels) == []
    inner = "return [...document.querySelectorAll('.inner-scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert browser.execute_script(inner) == 0
    _keep(browser.get_screenshot_as_png(), f"card-{size[0]}-{scheme}.png", tmp_path)


def _keep(content: bytes, name: str, folder: Path) -> None:
    """Screenshots go where a person can look at them, if ``SEGBENCH_SCREENSHOTS`` says where."""
    target = Path(os.environ.get("SEGBENCH_SCREENSHOTS", folder))
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_bytes(content)
    assert len(content) > 10_000


def test_dark_and_light_follow_the_system_and_the_button(opened: Callable[..., Any]) -> None:
    browser = opened(scheme="dark")
    background = "return getComputedStyle(document.body).backgroundColor"
    dark = browser.execute_script(background)
    click(browser, "#theme")
    assert browser.execute_script("return document.getElementById('theme').textContent") == "Theme: light"
    light = browser.execute_script(background)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(19, 23, 27)")
    assert browser.execute_script("return document.getElementById('plot').layout.paper_bgcolor") == "#ffffff"
    click(browser, "#theme")
    click(browser, "#theme")
    assert browser.execute_script(background) == dark


def test_hostile_names_are_text(opened: Callable[..., Any]) -> None:
    browser = opened("hostile")
    browser.execute_script("window.alerted = 0; window.alert = () => { window.alerted += 1 }")
    choose(browser, "#group", "")
    choose(browser, "#x-axis", "params")
    choose(browser, "#y-axis", "macs")
    names = column(browser, "Network")
    assert HOSTILE[0] in names
    assert HOSTILE[1] in names
    for name in HOSTILE:
        if not any("\ud800" <= character <= "\udfff" for character in name):
            browser.execute_script("location.hash = '#network=' + encodeURIComponent(arguments[0])", name)
            wait(browser, f"return document.getElementById('card-title').textContent === {json.dumps(name)}")
    assert browser.execute_script("return document.querySelectorAll('script').length") == 3
    assert browser.execute_script("return document.querySelectorAll('#card img, #table img, #plot img').length") == 0
    assert browser.execute_script("return window.alerted") == 0


def test_ten_thousand_rows_stay_responsive(opened: Callable[..., Any], site: Path) -> None:
    assert (site / "many.html").stat().st_size < 15e6
    browser = opened("many")
    script = """const start = performance.now(); arguments[0].split('|').forEach(text => {
        const e = document.getElementById('search'); e.value = text; e.dispatchEvent(new Event('input')) });
        document.querySelector("#table thead button[data-key='fps']").click();
        return performance.now() - start"""
    assert browser.execute_script(script, "m|mf|mfp|") < 15_000
    assert "10" in count(browser)
    assert len(column(browser, "Network")) == 50
    click(browser, "#next")
    assert browser.execute_script("return document.getElementById('page-of').textContent").startswith("51 to 100 of")


def test_print_shows_every_row_and_no_controls(opened: Callable[..., Any]) -> None:
    browser = opened()
    rows = int(count(browser).split()[2])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(column(browser, "Network")) == rows
    # Chromium repeats headings on each page only if they hold no button.
    assert browser.execute_script("return document.querySelectorAll('#table thead button').length") == 0
    assert str(rows) in browser.find_element("id", "shown").text
    for hidden in ("#filters", "#pager", "#chooser", "#theme"):
        assert not browser.find_element("css selector", hidden).is_displayed()
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert base64.b64decode(pdf).startswith(b"%PDF")


def test_a_card_is_printed_from_its_top_in_light_colours(opened: Callable[..., Any]) -> None:
    browser = opened(scheme="dark")
    browser.execute_script("location.hash = '#network=mfpnet'")
    wait(browser, "return document.querySelectorAll('#card .js-plotly-plot').length === 2")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.getElementById('card').getBoundingClientRect().top") == 0
    colours = "return [...document.querySelectorAll('#card .js-plotly-plot')].map(e => e.layout.paper_bgcolor)"
    assert set(browser.execute_script(colours)) == {"#fff"}
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
