"""Every page in headless Chromium, from a disk and from a server, in both themes and two widths."""

import functools
import http.server
import shutil
import threading

import pytest

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WIDTHS, THEMES, LEAST_CONTRAST = (1280, 390), ("light", "dark"), 4.5

LOST = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
PLAYERS = """() => Promise.all([...document.querySelectorAll("audio")].map(player =>
    new Promise((done) => {
      player.onloadedmetadata = () => done(player.duration > 0 ? "" : "empty");
      player.onerror = () => done("does not load");
      player.preload = "metadata"; player.load();
      setTimeout(() => done("takes more than ten seconds"), 10000);
    })))"""
CONTRAST = """(least) => {
  const parse = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const over = ([r, g, b, a = 1], [x, y, z]) =>
    [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const light = (c) => { const [r, g, b] = c.map(v => v / 255).map(v =>
    v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => element ? over(parse(getComputedStyle(element).backgroundColor),
    behind(element.parentElement)) : [255, 255, 255];
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    const style = getComputedStyle(element);
    if (!text || !element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
    if (element.closest("script, style, noscript, svg, [disabled]")) continue;
    const back = behind(element), front = over(parse(style.color), back);
    const [a, b] = [light(front), light(back)].sort((p, q) => q - p);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least) found[`${element.tagName}.${element.className}`] =
      `${ratio.toFixed(2)} ${style.color} on ${back.map(Math.round)} “${text.slice(0, 40)}”`;
  }
  return Object.entries(found).map(pair => pair.join(": "));
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("there is no Chromium on the path (Debian: `apt-get install chromium`)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(site_pages):
    handler = functools.partial(_Quiet, directory=site_pages)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def visit(context, address, root):
    """Open a page; returns it and the list to which its faults are added."""
    page, faults = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda r: faults.append(f"failed: {r.url[:200]}"))
    page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url[:200]}"))
    ours = (root, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(ours) or faults.append(f"asks {r.url[:200]}"))
    page.goto(address, wait_until="load")
    return page, faults


def lost(page):
    """What a page has not loaded: pictures, players."""
    return [*page.evaluate(LOST), *filter(None, page.evaluate(PLAYERS))]


def unreadable(page):
    """What runs over the edge at one of the widths, or is pale in one of the themes."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{wide} pixels wide where there are {width}")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for theme in THEMES:
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.wait_for_timeout(200)  # colours change over time
        found += page.evaluate(CONTRAST, LEAST_CONTRAST)
    return found


def wrong(browser, site_pages, root, *checks):
    """Open every page, and say of each what the checks find, or what it itself complains of."""
    found, context = {}, browser.new_context()
    for path in sorted(site_pages.rglob("*.html")):
        name = path.relative_to(site_pages).as_posix()
        page, faults = visit(context, f"{root}/{name}", root)
        found[name] = sum((check(page) for check in checks), faults)
        page.close()
    context.close()
    assert len(found) > 20
    return {name: faults for name, faults in found.items() if faults}


def test_pages_on_a_disk_load_whole_and_can_be_read(browser, site_pages):
    assert wrong(browser, site_pages, site_pages.as_uri(), lost, unreadable) == {}


def test_pages_on_a_server_load_whole(browser, site_pages, server):
    assert wrong(browser, site_pages, server, lost) == {}


def test_the_ledger_fits_a_phone(browser, site_pages):
    page = browser.new_page(viewport={"width": WIDTHS[1], "height": 900})
    page.goto((site_pages / "index.html").as_uri())
    over = "ledger => ledger.scrollWidth - ledger.clientWidth"
    assert page.locator(".ledger").evaluate(over) == 0
    page.close()


def test_the_ledger_is_filtered_by_verdict_and_by_words(browser, site_pages):
    page = browser.new_page()
    page.goto((site_pages / "index.html").as_uri())
    rows = page.locator(".ledger tbody tr")
    count = rows.count()
    page.get_by_role("button", name="refuted").click()
    verdicts = {row.get_attribute("data-verdict") for row in rows.all() if row.is_visible()}
    assert verdicts == {"refuted"}
    page.get_by_role("searchbox", name="Search the claims").fill("last weights")
    assert 0 < sum(row.is_visible() for row in rows.all()) < 5
    page.locator("a[href='#bosch-best']").first.click()
    page.wait_for_timeout(200)
    assert page.locator("#bosch-best").is_visible()
    assert sum(row.is_visible() for row in rows.all()) == count
    page.close()
