"""Everything that this project does on a machine, from one command.

    python3 run.py lab       read and run the notebooks in JupyterLab
    python3 run.py test      run the tests
    python3 run.py --help    the rest

On Windows write `py run.py lab`. Only Python 3.11 or newer is needed beforehand.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "This is Python %d.%d, and the project needs Python 3.11 or newer. Install one (for example from "
        "python.org), then start this command with it, say: python3.11 run.py lab" % sys.version_info[:2]
    )

from tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
