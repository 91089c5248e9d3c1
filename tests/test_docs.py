"""The site: it builds without a warning, its links lead somewhere, and a browser can show it.

The examples are not run for it: tests/test_examples.py does that.
"""

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser import needs_browser, open_page

ROOT = Path(__file__).parents[1]
NEEDED = ["latex2mathml", "myst_parser", "numpydoc", "pydata_sphinx_theme", "sphinx_gallery"]
MODULES = ["", "balancers", "augmenters", "losses", "schedules", "students"]
MODULES = [f"skkd.{name}".rstrip(".") for name in [*MODULES, "export", "report", "exceptions"]]

BUILD = """
import sys
from sphinx.application import Sphinx
source, target = sys.argv[1:]
app = Sphinx(source, source, target, target + "/.doctrees", "html", {"plot_gallery": False},
             status=None)
app.build()
sys.exit(app.statuscode)
"""

PAGES = [
    "index.html",
    "decisions.html",
    "balancing.html",
    "tables.html",
    "benchmarks.html",
    "auto_examples/index.html",
    "auto_examples/plot_quickstart.html",
    "generated/skkd.DistilledClassifier.html",
    "generated/skkd.balancers.DescentShare.html",
    "search.html?q=calibration",
]

# Opens each page in a frame of each width, and writes down what it finds there.
FRAMES = """<!DOCTYPE html><html><body><pre id="found"></pre><script>
const found = {}, pages = PAGES;
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `border: 0; height: 900px; width: ${width}px`;
  const loaded = new Promise((done) => { frame.onload = done; });
  frame.src = "site/" + page;
  document.body.append(frame);
  await loaded;
  await new Promise((done) => setTimeout(done, 1500));
  const shown = frame.contentDocument, root = shown.documentElement;
  found[page + " " + width] = {
    title: shown.title,
    heading: shown.querySelector("h1")?.textContent ?? "",
    page: [root.clientWidth, root.scrollWidth],
    hidden: [...shown.querySelectorAll(".bd-article-container")]
      .map((article) => article.scrollWidth - article.clientWidth),
    broken: [...shown.images].filter((image) => image.complete && !image.naturalWidth).length,
    flat: [...shown.querySelectorAll("math")]
      .filter((formula) => formula.offsetParent && !formula.getBoundingClientRect().height).length,
    results: shown.querySelectorAll("#search-results li").length,
    fetched: frame.contentWindow.performance.getEntriesByType("resource")
      .map((entry) => entry.name).filter((name) => !name.startsWith(location.origin)
                                                    && !name.startsWith("data:")),
  };
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of [1280, 400]) await look(page, width);
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script></body></html>"""


def has_docs_extra() -> bool:
    return all(importlib.util.find_spec(name) for name in NEEDED)


needs_docs_extra = pytest.mark.skipif(not has_docs_extra(), reason="needs pip install '.[docs]'")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The folder of the site, and what was said while it was built."""
    root = tmp_path_factory.mktemp("docs")
    built = shutil.ignore_patterns("_build", "auto_examples", "generated", "__pycache__")
    for name in ("docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, root / name, ignore=built)
    for name in ("CHANGELOG.md", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, root)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, root / "docs", root / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root / "site", done.stderr


class Page(HTMLParser):
    """The ids of a page, where its links lead, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes.get("rel") != "canonical":
            self.loads.append(attributes["href"])
        elif "src" in attributes:
            self.loads.append(attributes["src"])


@pytest.mark.slow
@needs_docs_extra
def test_builds_without_a_warning(build):
    _, said = build
    assert said == ""


@pytest.mark.slow
@needs_docs_extra
def test_links_lead_somewhere(build):
    site, _ = build
    paths = (path for path in site.rglob("*.html") if path.parent != site / "_static")
    pages = {path: Page(path) for path in paths}
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto") or (parts.scheme and link in page.links):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            outside = parts.scheme or parts.netloc or not target.is_relative_to(site.resolve())
            anchor = unquote(parts.fragment)
            no_anchor = target in pages and anchor and anchor not in pages[target].ids
            if outside or not target.is_file() or no_anchor:
                broken.append((str(path.relative_to(site)), link))
    assert len(pages) > 50
    assert broken == []


@pytest.mark.slow
@needs_docs_extra
def test_styles_and_scripts_fetch_nothing(build):
    site, _ = build
    styles = list(site.rglob("*.css"))
    assert styles
    for path in styles:
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", path.read_text()), path


@pytest.mark.slow
@needs_docs_extra
@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_public_has_a_page(build, module):
    site, _ = build
    names = {
        name
        for name in importlib.import_module(module).__all__
        if f"{module}.{name}" not in MODULES
    }
    overview = (site / f"generated/{module}.html").read_text()
    for name in names:
        page = (site / f"generated/{module}.{name}.html").read_text()
        assert f'id="{module}.{name}"' in page
        assert f'href="{module}.{name}.html' in overview


@pytest.mark.slow
@needs_docs_extra
def test_no_path_of_this_machine(build):
    site, _ = build
    pages = [*site.rglob("*.html"), site / "searchindex.js"]
    assert not [path for path in pages if str(ROOT) in path.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def found(build, tmp_path_factory):
    """What the browser finds, by page and width, and what it says on its console."""
    site, _ = build
    (site.parent / "frames.html").write_text(FRAMES.replace("PAGES", json.dumps(PAGES)))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=site.parent))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = open_page(
            f"http://localhost:{server.server_port}/frames.html",
            tmp_path_factory.mktemp("profile"),
            "--enable-logging=stderr",
            "--virtual-time-budget=120000",
        )
    finally:
        server.shutdown()
        server.server_close()
    [text] = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout)
    # The theme says what it does, marked with its name.
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    console = [line for line in said if '"[PST]: ' not in line]
    return json.loads(text), console


@pytest.mark.slow
@needs_docs_extra
@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("page", PAGES)
def test_page_in_a_browser(found, page, width):
    shown = found[0][f"{page} {width}"]
    assert "skkd" in shown["title"]
    assert shown["heading"]
    assert shown["page"] == [width, width]
    assert shown["hidden"] == [0]
    assert shown["broken"] == shown["flat"] == 0
    assert shown["fetched"] == []
    assert (shown["results"] > 3) == page.startswith("search")


@pytest.mark.slow
@needs_docs_extra
@needs_browser
def test_console_stays_empty(found):
    assert found[1] == []


@pytest.fixture
def to_mathml():
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    path = ROOT / "docs/_ext/mathml.py"
    spec = importlib.util.spec_from_file_location("mathml", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.to_mathml


def test_formula(to_mathml):
    mathml = to_mathml(r"\langle a, b \rangle \le \log p")
    assert mathml.startswith("<math") and 'display="inline"' in mathml
    assert mathml.count('fence="true"') == 2
    assert "<mi>log</mi><mspace" in mathml
    assert 'display="block"' in to_mathml("x", "block")


def test_formula_with_an_unknown_command(to_mathml):
    with pytest.raises(Exception, match=r"does not know \\nonsense of"):
        to_mathml(r"\nonsense x")


GUIDE = sorted(
    path.name for path in (ROOT / "docs").glob("*.md") if "```python" in path.read_text()
)


@pytest.mark.slow
@pytest.mark.usefixtures("few_epochs")
@pytest.mark.parametrize("page", GUIDE)
def test_code_of_the_guide_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    namespace: dict = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)


def test_the_guide_has_code():
    assert len(GUIDE) >= 10
