# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make docs``: the guides in docs/ and the reference of every module, role and fragment, as HTML in build/docs/html.

A link that leads nowhere fails the run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools.tree import ROOT

BUILD = ROOT / "build" / "docs"

CONFIGURATION = """\
project = "dba.mariabackup"
copyright = "2026, dba.mariabackup contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "72rem", "fixed_sidebar": True}
html_copy_source = False
myst_heading_anchors = 3
"""

# The reference also points to pages of Ansible's own guide, which is not part of this site.
ELSEWHERE = re.compile(r"undefined label: '(?!ansible_collections\.dba\.mariabackup\.)")

LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")

INDEX = """\
dba.mariabackup
===============

.. toctree::
   :maxdepth: 1

   README
{guides}
   CHANGELOG
   reference/index
"""


def bring_along(source: Path, page: Path) -> None:
    """Copy what a page links to and is no page of the site, such as a playbook: a reader of the site gets it as well.

    Args:
        source: what the site is made of; the page is in it.
        page: its path in the checkout.
    """
    for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        found = (ROOT / page.parent / target).resolve()
        if not found.is_file():
            continue  # the run fails for it
        place = source / found.relative_to(ROOT)
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if found.suffix != ".md":
            shutil.copy2(found, place)
            continue
        place.write_text("---\norphan: true\n---\n" + found.read_text(encoding="utf-8"), encoding="utf-8")
        bring_along(source, found.relative_to(ROOT))


def main() -> int:
    """Render the pages; raises CalledProcessError when a tool fails."""
    shutil.rmtree(BUILD, ignore_errors=True)
    source = BUILD / "source"
    (source / "docs").mkdir(parents=True)
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy2(ROOT / name, source)
    guides = sorted((ROOT / "docs").glob("*.md"))
    for guide in guides:
        shutil.copy2(guide, source / "docs")
    for page in (Path("README.md"), *(guide.relative_to(ROOT) for guide in guides)):
        bring_along(source, page)
    (source / "conf.py").write_text(CONFIGURATION)
    listed = "\n".join(f"   docs/{guide.stem}" for guide in guides)
    (source / "index.rst").write_text(INDEX.format(guides=listed))
    reference = source / "reference"
    reference.mkdir()
    subprocess.run(
        [
            *("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
            *("--dest-dir", str(reference), "dba.mariabackup"),
        ],
        check=True,
    )
    warnings = BUILD / "warnings"
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-w", str(warnings), "-b", "html", str(source), str(BUILD / "html")],
        check=True,
        stderr=subprocess.PIPE,  # the warnings, of which some are expected
        text=True,
    )
    faults = [line for line in warnings.read_text().splitlines() if line and not ELSEWHERE.search(line)]
    if faults:
        print("\n".join(faults))
        return 1
    print(f"{BUILD / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(error.stderr or "")
        sys.exit(f"failed with {error.returncode}: {' '.join(error.cmd)}")
