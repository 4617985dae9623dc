"""A column of three times what a process may hold: it is loaded, encoded, labelled and learned from.

Seen to fail without mapping, each time: the same process, told to keep the column in memory, cannot read the table.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SAMPLES, MANY, FEW, TOGETHER = 32_000, 3_300, 100, 100
MAY_HOLD = 128 << 20
PROGRAM = Path(__file__).parent / "limited_memory.py"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="RLIMIT_DATA is of a process's own memory on Linux alone"
)


def sounds(path: Path, rows: int) -> Path:
    """Loud and quiet noise, as many row groups."""
    rng = np.random.default_rng(0)
    schema = pa.schema({"wave": pa.fixed_shape_tensor(pa.float32(), (SAMPLES,)), "y": pa.string()})
    noise = rng.standard_normal((TOGETHER, SAMPLES), dtype=np.float32) * 0.1
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False, write_statistics=False) as file:
        for group in range(rows // TOGETHER):
            loud = rng.random(TOGETHER) < 0.5
            noise[:, 0] = group / 100  # no row twice
            waves = noise * np.where(loud, 2, 1).astype(np.float32)[:, None]
            cells = pa.FixedShapeTensorArray.from_numpy_ndarray(waves)
            file.write_table(pa.table({"wave": cells, "y": np.where(loud, "loud", "quiet")}, schema=schema))
    return path


def test_more_than_memory_is_loaded_encoded_labelled_and_learned(tmp_path: Path) -> None:
    tables = sounds(tmp_path / "few.parquet", FEW), sounds(tmp_path / "many.parquet", MANY)
    asked = [str(PROGRAM), *map(str, tables), str(tmp_path), str(MAY_HOLD)]
    # What is freed goes back at once: else the limit would be of what allocators keep.
    given_back = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_MMAP_THRESHOLD_": "1048576"}
    env = os.environ | given_back | {"XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *asked], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["decoded"] == MANY * SAMPLES * 4 > 3 * MAY_HOLD
    assert "does not fit into memory" in found["without"]
    assert found["labelled by its file"]
    assert found["error"] < 0.1
