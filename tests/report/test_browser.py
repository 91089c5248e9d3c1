"""The page in a browser, where there is one: nothing is cut off, nothing is missing or fetched."""

import json
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skkd.report import distillation_report
from tests.browser import needs_browser, open_page
from tests.helpers import make_data, quick

# Opens the report in a frame of each width, and writes down what it finds there.
FRAMES = """<!DOCTYPE html><html><body><pre id="found"></pre><script>
const widths = [1280, 400], found = {};
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.style.border = 0;
  frame.src = "report.html";
  frame.onload = () => {
    const page = frame.contentDocument;
    const box = (element) => [element.clientWidth, element.scrollWidth];
    found[width] = {
      page: box(page.documentElement),
      tables: [...page.querySelectorAll(".table")].map(box),
      images: [...page.images].map((image) => [image.complete, image.naturalWidth, image.width]),
      fetched: frame.contentWindow.performance.getEntriesByType("resource")
        .map((entry) => entry.name).filter((name) => !name.startsWith("data:")),
      fontSize: Math.min(...[...page.querySelectorAll(".skkd-report *")]
        .map((element) => parseFloat(frame.contentWindow.getComputedStyle(element).fontSize))),
    };
    document.getElementById("found").textContent = JSON.stringify(found);
  };
  document.body.append(frame);
}
</script></body></html>"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the browser finds in the page, by the width of its window."""
    folder = tmp_path_factory.mktemp("browser")
    X, y = make_data(600)
    y = np.array(["short", "of_many_letters_" * 4, "with a number of words " * 4])[y]
    clf = quick(LogisticRegression().fit(X[:300], y[:300])).fit(X[:300], y[:300])
    report = distillation_report(
        clf, X[300:], y[300:], X_train=X[:300], y_train=y[:300], n_bootstrap=100, random_state=0
    )
    report.to_html(folder / "report.html", title="Longwordsinatitle" * 4)
    (folder / "frames.html").write_text(FRAMES)
    done = open_page(
        (folder / "frames.html").as_uri(),
        folder / "profile",
        "--allow-file-access-from-files",
        "--virtual-time-budget=10000",
    )
    [text] = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout)
    return {int(width): values for width, values in json.loads(text).items()}


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_page_in_a_browser(found, width):
    shown = found[width]
    assert shown["page"] == [width, width]
    assert len(shown["tables"]) == 3
    for inside, needed in shown["tables"]:
        assert needed <= inside
    assert len(shown["images"]) == 5
    for complete, natural_width, drawn_width in shown["images"]:
        assert complete and natural_width > 0
        assert 300 < drawn_width <= width
    assert shown["fetched"] == []
    assert shown["fontSize"] >= 10
