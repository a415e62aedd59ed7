"""The page in a real browser: opened from disk without a network, used by mouse, keyboard and on a phone."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segbench.audit.recorded import verdicts
from segbench.claims import load_claims
from segbench.published_costs import published_costs
from segbench.report.measured import measured
from segbench.report.page import page
from segbench.report.page_data import decoded, page_data
from tests.report_records import HOSTILE, hostile_records, records

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.page_driver import (  # noqa: E402
    choose,
    click,
    column,
    downloaded,
    frontier,
    headings,
    names,
    number,
    points,
    press,
    said,
    search,
    tab_until,
    wait,
)

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
    """Pages of invented Records, of the published costs, of two devices, hostile names, and five hundred rows."""
    folder, claims, items = tmp_path_factory.mktemp("site"), load_claims(), records(60)
    published = published_costs()
    files = {"plots": [["a", "A plot"]], "papers": [["b", "A table"]], "formats": ["svg", "png"]}
    (folder / "plain.html").write_text(page(measured(items), claims, verdicts(items), files))
    (folder / "published.html").write_text(page(measured(published), claims, verdicts(published)))
    (folder / "mixed.html").write_text(page(measured([*items, *records(40, seed=1, device=CPU)]), claims))
    (folder / "hostile.html").write_text(page(measured([*items[:3], *hostile_records()]), claims))
    many = [item for seed in range(9) for item in _renamed(records(60, seed=seed), seed)]
    (folder / "many.html").write_text(page(measured(many), claims))
    return folder


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """What the page of the published costs knows."""
    items = published_costs()
    return decoded(page_data(measured(items), load_claims(), verdicts(items)))


def _renamed(items: list[Any], seed: int) -> list[Any]:
    for item in items:
        item.classes = 19 if seed == 0 else 100 + seed
    return items


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Callable[..., Any]]:
    """Open a page at a size; afterwards it has logged no error and asked nobody for anything."""

    def show(name: str = "plain", size: tuple[int, int] = WIDE, scheme: str = "light", view: str = "") -> Any:
        (width, height), mobile = size, size == PHONE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get((site / f"{name}.html").as_uri() + view)
        wait(browser, "return document.documentElement.dataset.ready === 'yes'")
        return browser

    browser.get_log("browser")
    yield show
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


HEADLINE = {
    "macs": ["Claimed FLOPs (G)", "MACs (G)", "Measured / claimed MACs", "Verdict on MACs"],
    "fps": ["Claimed FPS", "FPS", "Measured / claimed FPS", "Verdict on FPS"],
    "params": ["Claimed params (M)", "Params (M)", "Measured / claimed params", "Verdict on params"],
}


def test_the_page_opens_on_claimed_measured_ratio_and_verdict(
    opened: Callable[..., Any], rows: list[dict[str, Any]]
) -> None:
    browser = opened("published")
    assert browser.execute_script("return document.getElementById('plot').layout.xaxis.title.text") == "MACs (G)"
    click(browser, "#all")
    for cost in ("macs", "params"):
        wanted = HEADLINE[cost]
        choose(browser, "#cost", cost)
        shown = headings(browser)
        assert shown[shown.index(wanted[0]) :][:4] == wanted
        # Rows that a paper prints come first, by their cost.
        claimed, found, ratios, _ = (column(browser, label) for label in wanted)
        with_ratio = [ratio != "-" for ratio in ratios]
        assert with_ratio[0]
        assert with_ratio == sorted(with_ratio, reverse=True)
        for printed, figure, ratio in zip(claimed, found, ratios, strict=True):
            if ratio != "-":
                assert number(figure) / number(printed) == pytest.approx(number(ratio), rel=0.03, abs=0.001)
        costs = [number(cell) for cell, compared in zip(found, with_ratio, strict=True) if compared]
        assert costs == sorted(costs)
        # What the page says first is counted from what it holds.
        pairs = {
            (row["network"], "" if cost == "params" else row["size"], row[f"{cost}Claimed"]): row[f"{cost}Ratio"]
            for row in rows
            if row[f"{cost}Ratio"] is not None
        }
        near = sum(1 for ratio in pairs.values() if abs(ratio - 1) <= 0.05)
        assert f"{near} of {len(pairs)} printed figures" in said(browser, "#finding")
        assert f"{min(pairs.values()):.2f}" in said(browser, "#finding")


def test_an_fps_is_held_against_its_claim_and_says_on_which_card(opened: Callable[..., Any]) -> None:
    browser = opened(view="#cost=fps")
    claimed, found, ratios, judged = (column(browser, label) for label in HEADLINE["fps"])
    compared = [place for place, ratio in enumerate(ratios) if ratio != "-"]
    assert compared == list(range(len(compared)))
    assert len(compared) > 3
    for place in compared:
        assert number(found[place]) / number(claimed[place]) == pytest.approx(number(ratios[place]), rel=0.02, abs=1e-3)
        word, where = judged[place].split("\n")
        if "roof" not in word and "beyond" not in word:
            assert word == ("met" if number(ratios[place]) >= 0.95 else "not met")
            assert where == "on another GPU"
    figures = [number(found[place]) for place in compared]
    assert figures == sorted(figures, reverse=True)


def test_a_verdict_under_another_rule_says_that_rules_own_ratio(opened: Callable[..., Any]) -> None:
    browser = opened("published")
    verdicts = column(browser, "Verdict on MACs")
    ratios = column(browser, "Measured / claimed MACs")
    other = [place for place, text in enumerate(verdicts) if "under" in text and "under macs" not in text]
    assert other
    for place in other:
        assert re.search(r"under \S+ \([\d.]+ G, ratio [\d.]+\)", " ".join(verdicts[place].split()))
        assert ratios[place].split("\n")[1] == "under macs"


def test_columns_sort_both_ways_and_missing_figures_stay_last(opened: Callable[..., Any]) -> None:
    browser = opened()
    for label, key in (("FPS", "fps"), ("Params (M)", "params"), ("Size (HxW)", "size")):
        seen = []
        for _ in range(2):
            click(browser, f"#table thead button[data-key='{key}']")
            cells = column(browser, label)
            known = [cell for cell in cells if cell != "-"]
            assert cells == known + ["-"] * (len(cells) - len(known)), "a missing figure is not last"
            numbers = [[number(side) for side in cell.split("x")] for cell in known]
            seen.append(numbers)
        assert seen[0] in (sorted(seen[0]), sorted(seen[0], reverse=True))
        assert sorted(seen[0]) == sorted(seen[1])
        assert (seen[0] == sorted(seen[0])) != (seen[1] == sorted(seen[1]))
    heading = browser.find_element("css selector", "#table thead button[data-key='size']").find_element("xpath", "..")
    assert heading.get_attribute("aria-sort") in ("ascending", "descending")


def test_ablations_are_shown_only_where_they_are_asked_for(opened: Callable[..., Any]) -> None:
    browser = opened("published")
    choose(browser, "#group", "CamVid, 360x480")
    assert "mfpnet-no-head" not in points(browser)
    assert not any("no head" in name.lower() for name in names(browser))
    before = said(browser, "#count")
    click(browser, "#ablations")
    assert {"mfpnet-no-head", "mfpnet"} <= set(points(browser))
    assert said(browser, "#count") != before
    search(browser, "mfpnet-no-sgcn 360x480 reconstruction")
    wait(browser, "return document.querySelectorAll('#table tbody tr').length === 2")
    assert column(browser, "Claimed mIoU (%)") == ["66.2\nCamVid test", "-"]


def test_what_is_asked_for_is_highlighted_and_the_frontier_stays(opened: Callable[..., Any]) -> None:
    browser = opened()
    choose(browser, "#group", "Cityscapes, 512x1024")
    everything, line = points(browser), frontier(browser)
    assert {"mfpnet", "frfnet", "bisenetv2"} <= set(everything)
    dominated = next(name for name, point in everything.items() if point["opacity"] < 1)
    search(browser, dominated)
    wait(browser, "return document.querySelectorAll('#table tbody tr').length < 9")
    found = points(browser)
    assert set(found) == set(everything)
    assert frontier(browser) == line
    assert all(point["opacity"] < 0.2 for name, point in found.items() if not name.startswith(dominated))
    assert found[dominated]["opacity"] > 0.5
    # Its name is written on the plot, not only asked for.
    written = "return [...document.querySelectorAll('#plot .textpoint')].map(e => e.textContent)"
    assert found[dominated]["text"] in browser.execute_script(written)
    click(browser, "#only")
    assert frontier(browser) != line
    assert [found[dominated]["x"]] == frontier(browser)[0]
    click(browser, "#reset")
    wait(browser, "return document.querySelectorAll('#table tbody tr').length > 9")
    assert {point["opacity"] for point in points(browser).values()} == {0.55, 1}


def test_filters_and_ranges_choose_rows(opened: Callable[..., Any]) -> None:
    browser = opened()
    everything = said(browser, "#count")
    for name, label, value in (("fidelity", "Fidelity", "official"), ("size", "Size (HxW)", "512x1024")):
        choose(browser, f"#{name}", value)
        assert set(column(browser, label)) == {value}
        click(browser, "#reset")
        wait(browser, f"return document.getElementById('count').textContent === {json.dumps(everything)}")
    choose(browser, "#printedIn", "efrnet")
    assert "EFRNet" in names(browser)
    assert "MFPNet" not in names(browser)
    click(browser, "#reset")
    click(browser, "#filters .dropdown summary")
    ranges = {end: browser.find_element("name", f"macs.{end}") for end in ("min", "max")}
    ranges["max"].send_keys("40")
    ranges["min"].send_keys("5.5")
    found = [number(cell) for cell in column(browser, "MACs (G)")]
    assert found
    assert all(5.5 <= figure <= 40 for figure in found)
    search(browser, "no such network")
    wait(browser, "return document.querySelector('#table tbody').innerText.includes('No network')")


def test_a_filter_and_the_plots_data_set_do_not_fight(opened: Callable[..., Any]) -> None:
    browser = opened("published")
    group = "return document.getElementById('group').value"
    choose(browser, "#group", "CamVid, 360x480")
    choose(browser, "#size", "512x1024")
    assert browser.execute_script(group) == "Cityscapes, 512x1024"
    assert any(point["opacity"] > 0.5 for point in points(browser).values())
    # Whoever then chooses a data set where nothing is highlighted sees that one, and is told so.
    choose(browser, "#group", "CamVid, 360x480")
    assert browser.execute_script(group) == "CamVid, 360x480"
    assert "none of those asked for" in said(browser, "#plot-note")


def test_a_miou_whose_size_is_not_printed_stands_at_no_size(
    opened: Callable[..., Any], rows: list[dict[str, Any]]
) -> None:
    browser = opened("published")
    unsized = {
        row["network"] for row in rows if row["miouElsewhere"] and not row["miouClaimed"] and not row["ablation"]
    }
    assert unsized
    assert "Claimed mIoU, size not printed (%)" not in headings(browser)
    click(browser, "#networks .dropdown summary")
    click(browser, "[id='col.miouElsewhere']")
    cells = {
        "here": column(browser, "Claimed mIoU (%)"),
        "elsewhere": column(browser, "Claimed mIoU, size not printed (%)"),
    }
    assert any(here == "-" and there != "-" for here, there in zip(cells["here"], cells["elsewhere"], strict=True))
    script = """return [...document.getElementById('group').options]
        .filter(o => o.value.endsWith('size not printed')).map(o => o.disabled)"""
    assert set(browser.execute_script(script)) == {True}
    choose(browser, "#cost", "params")
    assert set(browser.execute_script(script)) == {False}


def test_the_plot_follows_axes_and_hover(opened: Callable[..., Any]) -> None:
    browser = opened()
    items = {item.model: item for item in records(60)}
    choose(browser, "#cost", "params")
    choose(browser, "#group", "Cityscapes, 512x1024")
    shown = points(browser)
    for name, point in shown.items():
        item = items[name]
        assert item.params is not None
        assert point["x"] == pytest.approx(item.params / 1e6, rel=1e-5)
    assert browser.execute_script("return document.getElementById('plot').layout.xaxis.title.text") == "Parameters (M)"
    assert shown["mfpnet"]["y"] == 71.5
    script = """const plot = document.getElementById('plot');
        const curve = plot.data.findIndex(t => (t.customdata || []).some(id => id.startsWith('mfpnet ')));
        const at = plot.data[curve].customdata.findIndex(id => id.startsWith('mfpnet '));
        Plotly.Fx.hover(plot, [{curveNumber: curve, pointNumber: at}])"""
    browser.execute_script(script)
    text = wait(browser, "return document.querySelector('#plot .hoverlayer').textContent")
    for part in ("MFPNet", "71.5", "Parameters (M): 1.00", "reconstruction"):
        assert part in text
    choose(browser, "#up", "latency")
    speed = items["mfpnet"].speed
    assert speed is not None
    assert points(browser)["mfpnet"]["y"] == pytest.approx(1e3 / speed.fps, rel=1e-4)


def test_a_logarithmic_axis_is_what_the_box_says(opened: Callable[..., Any]) -> None:
    browser = opened()
    kind = "return document.getElementById('plot').layout.xaxis.type"
    for cost in HEADLINE:
        choose(browser, "#cost", cost)
        assert browser.execute_script(kind) == "log"
    click(browser, "#log")
    assert browser.execute_script(kind) == "linear"


def test_no_two_entries_of_the_legend_look_alike(opened: Callable[..., Any]) -> None:
    browser = opened()
    script = """return document.getElementById('plot').data.filter(t => t.showlegend !== false)
        .map(t => [t.marker?.symbol ?? 'line', t.marker?.color ?? t.line.color].join(' '))"""
    for group in browser.execute_script("return [...document.getElementById('group').options].map(o => o.value)")[:4]:
        choose(browser, "#group", group)
        looks = browser.execute_script(script)
        assert len(looks) == len(set(looks)) > 1
    # A network of the reader's own stands out, and its name is written.
    choose(browser, "#cost", "fps")
    choose(browser, "#group", "Cityscapes, 512x1024")
    own = """return document.getElementById('plot').data.filter(t => t.name === 'my.package:Net')
        .map(t => [t.marker.symbol, t.text[0]])"""
    assert browser.execute_script(own) == [["star", "my.package:Net"]]


def test_timings_under_other_conditions_are_not_drawn_together(opened: Callable[..., Any]) -> None:
    browser = opened("mixed", view="#cost=fps&group=Cityscapes%2C+512x1024")
    seen = []
    for condition in ("NVIDIA H200, forward, fp32", f"CPU {CPU}, forward, fp32"):
        choose(browser, "#timing", condition)
        assert f"timed on {condition};" in said(browser, "#plot-note")
        seen.append(points(browser))
        # Where a network has only another timing, its cell says which.
        assert all("\n" not in cell or condition not in cell for cell in column(browser, "FPS"))
    assert seen[0]["mfpnet"]["x"] != seen[1]["mfpnet"]["x"]
    # What was counted is the same on every device.
    choose(browser, "#cost", "macs")
    assert "timed on" not in said(browser, "#plot-note")


@pytest.mark.parametrize(
    ("across", "up", "shape"),
    [("fps", "miou", "vh"), ("params", "miou", "hv"), ("params", "latency", "hv"), ("fps", "params", "vh")],
)
def test_the_frontiers_steps_promise_no_more_than_was_measured(
    opened: Callable[..., Any], across: str, up: str, shape: str
) -> None:
    browser = opened(view=f"#cost={across}&up={up}")
    script = """return document.getElementById('plot').data.find(t => t.name === 'Pareto frontier').line.shape"""
    assert browser.execute_script(script) == shape
    better = {"fps": 1, "miou": 1, "params": -1, "latency": -1}
    found = points(browser).values()
    best = {
        (one["x"], one["y"])
        for one in found
        if not any(
            better[across] * (two["x"] - one["x"]) >= 0
            and better[up] * (two["y"] - one["y"]) >= 0
            and (two["x"], two["y"]) != (one["x"], one["y"])
            for two in found
        )
    }
    assert set(zip(*frontier(browser), strict=True)) == best


def test_a_networks_card_tells_everything(opened: Callable[..., Any]) -> None:
    browser = opened()
    button = browser.find_element("xpath", "//td//button[text()='MFPNet']")
    button.click()
    text = said(browser, "#sheet")
    for part in (
        *("MFPNet", "reconstruction", "1,001,696", "V100", "FPS as each switch is applied", "NVIDIA H200"),
        *("Where the MACs are", "stage2.0", "copies", "not kept", "18.6", "ptflops-0.6.3", "exact", "torch"),
    ):
        assert part in text, part
    widths = "return [...document.querySelectorAll('#sheet .bar')].map(e => e.getBoundingClientRect().width)"
    assert len(set(browser.execute_script(widths))) > 3
    assert browser.execute_script("return location.hash") == "#network=mfpnet"
    click(browser, "#close")
    assert not browser.find_element("id", "sheet").is_displayed()
    assert browser.execute_script("return document.activeElement.textContent") == "MFPNet"
    assert browser.execute_script("return location.hash") == ""
    browser.execute_script("location.hash = '#network=pspnet-r101'")
    wait(browser, "return document.getElementById('sheet').innerText.includes('out of memory')")


def test_a_point_opens_its_networks_card(opened: Callable[..., Any]) -> None:
    browser = opened(view="#search=mfpnet&group=Cityscapes%2C+512x1024&rings=false")
    script = """return [...document.querySelectorAll('#plot .scatterlayer .trace')]
        .find(e => e.textContent === 'MFPNet').querySelector('.points path')"""
    ActionChains(browser).move_to_element(browser.execute_script(script)).pause(0.3).click().perform()
    wait(browser, "return document.getElementById('sheet').open")
    assert said(browser, "#sheet-title") == "MFPNet"


def test_rows_and_cards_link_to_paper_and_code(opened: Callable[..., Any]) -> None:
    browser = opened()
    script = "return [...document.querySelectorAll(arguments[0])].map(e => [e.innerText, e.href, e.rel])"
    search(browser, "dabnet")
    wait(browser, "return document.querySelectorAll('#table tbody tr').length < 9")
    links = browser.execute_script(script, "#table tbody tr:first-child .links a")
    assert [text for text, _, _ in links] == ["paper", "code"]
    assert links[0][1] == "https://arxiv.org/abs/1907.11357"
    assert links[1][1].startswith("https://github.com/Reagan1311/DABNet/tree/")
    assert {rel for _, _, rel in links} == {"noreferrer"}
    click(browser, "#table tbody tr:first-child .link")
    assert browser.execute_script(script, "#sheet .links a") == links


def test_the_skip_link_leads_to_the_table_and_keeps_the_view(opened: Callable[..., Any]) -> None:
    browser = opened(view="#size=512x1024")
    before = names(browser)
    press(browser, Keys.TAB)
    press(browser, Keys.ENTER)
    wait(browser, "return document.activeElement.id === 'networks'")
    assert names(browser) == before
    assert browser.execute_script("return location.hash") == "#size=512x1024&group=Cityscapes%2C+512x1024"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1280", "390"])
def test_networks_are_ticked_and_compared_by_keyboard_alone(opened: Callable[..., Any], size: tuple[int, int]) -> None:
    browser = opened(size=size)
    passed = tab_until(browser, "e.id === 'search'")
    assert passed[0] == "Skip to the table of networks"
    browser.switch_to.active_element.send_keys("512x1024")
    passed = tab_until(browser, "e.matches('td input')")
    order = [
        "family",
        "size",
        "fidelity",
        "Ranges",
        "ablations",
        "reset",
        "cost",
        "up",
        "group",
        "log",
        "rings",
        "only",
    ]
    order += ["svg", "Columns", "sort", "csv"]
    assert [name for name in passed if name in order] == order
    press(browser, Keys.SPACE)
    tab_until(browser, "e.matches('tr:nth-child(2) input')")
    press(browser, Keys.SPACE)
    ticked = names(browser)[:2]
    assert said(browser, "#compare") == "Compare ticked (2)"
    assert sum(1 for point in points(browser).values() if point["opacity"] > 0.5) >= 1
    for _ in range(200):
        press(browser, Keys.SHIFT + Keys.TAB + Keys.NULL)
        if browser.execute_script("return document.activeElement.id === 'compare'"):
            break
    press(browser, Keys.ENTER)
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#sheet thead th .link')].map(e => e.innerText)"
    )
    assert heads == ticked
    script = """return Object.fromEntries([...document.querySelectorAll('#sheet tbody tr')]
        .map(e => [e.firstChild.innerText, [...e.children].slice(1).map(c => c.innerText)]))"""
    lines = browser.execute_script(script)
    first, second = lines["MACs (G)"]
    assert number(second) / number(first) == pytest.approx(float(second.split("\u00d7")[1]), rel=0.01)
    press(browser, Keys.ESCAPE)
    assert not browser.find_element("id", "sheet").is_displayed()
    assert browser.execute_script("return document.activeElement.id") == "compare"
    script = """return [...document.querySelectorAll('button, select, input:not([type=hidden]), summary, a[href]')]
        .filter(e => e.tabIndex < 0 || !(e.textContent.trim() || e.closest('label') || e.ariaLabel))
        .map(e => e.outerHTML)"""
    assert browser.execute_script(script) == []


def test_costs_of_unlike_sizes_and_conditions_have_no_ratio(opened: Callable[..., Any]) -> None:
    first, other = "mfpnet 512x1024 19", "cgnet 360x640 19"
    browser = opened("mixed", view=f"#timing=&ticked={first}|{first} 1|{other}".replace(" ", "+"))
    click(browser, "#compare")
    script = """return Object.fromEntries([...document.querySelectorAll('#sheet tbody tr')]
        .map(e => [e.firstChild.innerText, [...e.children].slice(1).map(c => c.innerText.includes('\u00d7'))]))"""
    lines = browser.execute_script(script)
    assert lines["Params (M)"] == [False, True, True]
    assert lines["MACs (G)"] == [False, True, False]
    assert lines["FPS"] == lines["Latency (ms)"] == [False, False, False]


def test_a_view_is_in_the_address_and_comes_back_from_it(opened: Callable[..., Any]) -> None:
    browser = opened()
    assert browser.execute_script("return location.hash") == ""
    choose(browser, "#cost", "fps")
    choose(browser, "#group", "Cityscapes, 512x1024")
    choose(browser, "#sort", "params down")
    choose(browser, "[name='macs.max']", "70")
    click(browser, "#log")
    click(browser, "#networks .dropdown summary")
    click(browser, "[id='col.energy']")
    search(browser, "512x1024 net")
    wait(browser, "return location.hash.includes('net')")
    click(browser, "#table tbody tr:nth-child(2) input")

    def seen() -> list[Any]:
        picked = browser.execute_script("return [...document.querySelectorAll('td input')].map(e => e.checked)")
        view = [headings(browser), names(browser), column(browser, "Energy (mJ)"), points(browser), picked]
        return [*view, said(browser, "#count"), said(browser, "#plot-note"), said(browser, "#compare")]

    before, address = seen(), browser.execute_script("return location.hash")
    assert "Energy (mJ)" in before[0]
    assert True in before[4]
    opened(view=address)
    assert seen() == before
    # Going back to how the page opens.
    browser.execute_script("location.hash = ''")
    wait(browser, "return document.getElementById('cost').value === 'macs'")
    assert browser.execute_script("return document.getElementById('log').checked")


def test_the_rows_shown_are_saved_as_csv(opened: Callable[..., Any], tmp_path: Path) -> None:
    browser = opened(view="#cost=fps&size=512x1024&sort=params+up&col.failure=true")
    lines = list(csv.DictReader(io.StringIO(downloaded(browser, tmp_path, "#csv", "segbench.csv"), newline="")))
    shown = headings(browser)
    assert [heading for heading in lines[0] if ": " not in heading] == shown
    assert len(lines) == len(names(browser)) > 5
    for heading in shown[1:]:
        for cell, line in zip(column(browser, heading), lines, strict=True):
            text = cell.split("\n")[0]
            if text == "-":
                assert line[heading] == ""
            elif re.fullmatch(r"[\d.]+", text):
                assert float(line[heading]) == pytest.approx(float(text), rel=0.02), heading
            else:
                assert line[heading] == text
    assert "V100" in " ".join(line["Claimed FPS: of"] for line in lines)


def test_a_saved_cell_is_no_formula(opened: Callable[..., Any], tmp_path: Path) -> None:
    browser = opened("hostile")
    text = downloaded(browser, tmp_path, "#csv", "segbench.csv")
    found = [line["Network"] for line in csv.DictReader(io.StringIO(text, newline=""))]
    assert "'=HYPERLINK(1)" in found
    assert HOSTILE[1] in found


def test_the_plot_shown_is_saved_as_svg(opened: Callable[..., Any], tmp_path: Path) -> None:
    browser = opened(view="#search=esnet")
    text = downloaded(browser, tmp_path, "#svg", "segbench.svg")
    assert text.startswith("<svg")
    assert ">MACs (G)</text>" in text


OUTSIDE = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  if (!box.width || !box.height || !e.checkVisibility({visibilityProperty: true})) return false;
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
    for place in ("#filters", "#networks"):
        click(browser, f"{place} .dropdown summary")
        assert browser.execute_script(OUTSIDE) == []
    heights = "return [...document.querySelectorAll('.columns label')].map(e => e.clientHeight)"
    assert max(browser.execute_script(heights)) < 60, "a column's name has no room"
    press(browser, Keys.ESCAPE)
    browser.execute_script("location.hash = '#network=mfpnet'")
    wait(browser, "return document.querySelectorAll('#sheet .bar').length > 3")
    width = "const e = document.getElementById('sheet'); return e.scrollWidth - e.clientWidth"
    assert browser.execute_script(width) <= 0
    assert browser.execute_script(OUTSIDE) == []
    inner = "return [...document.querySelectorAll('.inner-scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert browser.execute_script(inner) == 0
    _keep(browser.get_screenshot_as_png(), f"card-{size[0]}-{scheme}.png", tmp_path)
    click(browser, "#close")
    for line in (1, 2):
        click(browser, f"#table tbody tr:nth-child({line}) input")
    click(browser, "#compare")
    assert browser.execute_script(width) <= 0
    _keep(browser.get_screenshot_as_png(), f"compare-{size[0]}-{scheme}.png", tmp_path)


def _keep(content: bytes, name: str, folder: Path) -> None:
    """Screenshots go where a person can look at them, if ``SEGBENCH_SCREENSHOTS`` says where."""
    target = Path(os.environ.get("SEGBENCH_SCREENSHOTS", folder))
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_bytes(content)
    assert len(content) > 10_000


def test_dark_and_light_follow_the_system_and_the_choice(opened: Callable[..., Any]) -> None:
    browser = opened(scheme="dark")
    background = "return getComputedStyle(document.body).backgroundColor"
    drawn = "return document.getElementById('plot').layout.paper_bgcolor"
    dark = browser.execute_script(background)
    choose(browser, "#theme", "light")
    assert (browser.execute_script(background), dark) == ("rgb(255, 255, 255)", "rgb(19, 23, 27)")
    assert browser.execute_script(drawn) == "#ffffff"
    choose(browser, "#theme", "dark")
    assert (browser.execute_script(background), browser.execute_script(drawn)) == (dark, "#13171b")
    choose(browser, "#theme", "")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    )
    wait(browser, f"{drawn} === '#ffffff'")


def test_hostile_names_are_text(opened: Callable[..., Any]) -> None:
    browser = opened("hostile", view="#up=macs&cost=params&group=")
    browser.execute_script("window.alerted = 0; window.alert = () => { window.alerted += 1 }")
    shown = names(browser)
    assert HOSTILE[0] in shown
    assert HOSTILE[1] in shown
    for name in HOSTILE:
        if not any("\ud800" <= character <= "\udfff" for character in name):
            browser.execute_script("location.hash = '#network=' + encodeURIComponent(arguments[0])", name)
            wait(browser, f"return document.getElementById('sheet-title').textContent === {json.dumps(name)}")
    assert browser.execute_script("return document.querySelectorAll('script').length") == 3
    script = "return document.querySelectorAll('#sheet img, #table img, #plot img, select img').length"
    assert browser.execute_script(script) == 0
    assert browser.execute_script("return window.alerted") == 0
    script = "return [...document.querySelectorAll('a')].map(e => new URL(e.href).protocol)"
    assert set(browser.execute_script(script)) <= {"https:", "file:"}


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["1280", "390"])
def test_five_hundred_rows_are_shown_as_many_as_are_asked_for(
    opened: Callable[..., Any], size: tuple[int, int], scheme: str
) -> None:
    browser = opened("many", size, scheme, view="#cost=fps&ablations=true")
    total = int(said(browser, "#count").split()[2])
    assert total > 500
    assert len(names(browser)) == 50
    assert said(browser, "#page-of") == f"50 of {total} rows"
    click(browser, "#more")
    assert len(names(browser)) == 100
    click(browser, "#all")
    assert len(names(browser)) == total
    assert not browser.find_element("id", "pager").is_displayed()
    assert browser.execute_script(OUTSIDE) == []
    choose(browser, "#classes", "103")
    assert set(column(browser, "Classes")) == {"103"}
    choose(browser, "#up", "latency")
    choose(browser, "#group", "")
    assert len(points(browser)) > 50


def test_print_shows_every_row_and_no_controls(opened: Callable[..., Any]) -> None:
    browser = opened(view="#ablations=true")
    total = int(said(browser, "#count").split()[2])
    assert len(names(browser)) == 50 < total
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(names(browser)) == total
    # Chromium repeats headings on each page only if they hold no button.
    assert browser.execute_script("return document.querySelectorAll('#table thead button').length") == 0
    assert str(total) in said(browser, "#shown")
    for hidden in ("#filters", "#pager", "#csv", "#theme", "#table input"):
        assert not browser.find_element("css selector", hidden).is_displayed()
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert base64.b64decode(pdf).startswith(b"%PDF")


def test_a_card_is_printed_from_its_top_in_light_colours(opened: Callable[..., Any]) -> None:
    browser = opened(scheme="dark", view="#network=mfpnet")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.getElementById('sheet').getBoundingClientRect().top") == 0
    assert not browser.find_element("id", "networks").is_displayed()
    script = "return getComputedStyle(document.getElementById('sheet')).backgroundColor"
    assert browser.execute_script(script) == "rgb(255, 255, 255)"
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
