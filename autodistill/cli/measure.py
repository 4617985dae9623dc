"""``autodistill measure ARTEFACT``: needs onnxruntime and numpy, so that it runs where the student will."""

import argparse
import json


def run(asked: argparse.Namespace) -> int:
    """Measure on this machine."""
    from autodistill import measure

    found = measure.command(asked.artefact, asked.teacher, asked.rows, asked.out, asked.batch, asked.threads)
    if asked.json:
        print(json.dumps(found))
        return 0
    for key, readings in found["readings"].items():
        print(key)
        for name, reading in sorted(readings.items()):
            print(f"  {name:<16} {_shown(reading)}")
    if asked.out is not None:
        print(f"readings: {asked.out}")
    return 0


def _shown(reading: dict[str, object]) -> str:
    if reading["value"] is None:
        return f"unavailable: {reading['reason']}"
    spread = "" if reading["low"] is None else f" [{reading['low']:.4g}, {reading['high']:.4g}]"
    return f"{reading['value']:.4g} {reading['unit']}{spread}  {reading['source']}, {reading['status']}"
