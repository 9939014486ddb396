"""``python -m evaluation.audit SECURITY.md mutations.md audit.json`` writes the evidence tables; see ``make evidence``."""

from __future__ import annotations

import sys
from pathlib import Path

from evaluation.audit.evidence import write_evidence

if __name__ == "__main__":
    write_evidence(*map(Path, sys.argv[1:4]))
