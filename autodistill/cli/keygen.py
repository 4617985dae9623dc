"""``autodistill keygen``."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from autodistill.errors import SignatureError


def run(asked: argparse.Namespace) -> int:
    """Make a key pair, or show the auditor's key of this machine; print the line for the trust file."""
    from autodistill import signoff

    role = "auditor" if asked.auditor else "approver"
    if asked.auditor:
        key, path = signoff.auditor(), signoff.auditor_path()
    else:
        path = asked.out or Path("approver.pem")
        try:
            key = signoff.make(path, os.environ.get("AUTODISTILL_KEY_PASSPHRASE"))
        except FileExistsError:
            raise SignatureError("a file is there", where=str(path), do="choose another name with --out") from None
    public = signoff.public_text(key)
    since = datetime.now(UTC).strftime("%Y-%m-%d")
    line = {"name": asked.name or role, "role": role, "public": public, "since": since}
    if asked.json:
        print(json.dumps({**line, "id": signoff.key_id(public), "path": str(path)}))
        return 0
    print(f"  - {{name: {json.dumps(line['name'])}, role: {role}, public: {public!r}, since: '{since}'}}")
    where = f"{path} (mode 0600; keep it secret and backed up)"
    print(f"private key: {where}\nadd the line above to policies/trust.yaml, under keys:", file=sys.stderr)
    return 0
