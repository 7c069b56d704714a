"""The Vagrantfile says what Vagrant understands. `make test` installs vagrant; nothing is skipped."""

import os
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def validate(directory: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """--ignore-provider, because none need be installed to check what the file says."""
    own = {**os.environ, "VAGRANT_HOME": str(home), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    command = ["vagrant", "validate", "--ignore-provider"]
    return subprocess.run(command, cwd=directory, env=own, capture_output=True, text=True, check=False)


def test_vagrant_validates_it(tmp_path: Path) -> None:
    done = validate(CHECKOUT, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Vagrantfile validated successfully" in done.stdout


def test_vagrant_would_have_refused_a_mistake(tmp_path: Path) -> None:
    text = (CHECKOUT / "Vagrantfile").read_text()
    (tmp_path / "Vagrantfile").write_text(text.replace("config.vm.hostname =", "config.vm.hostnome ="))
    done = validate(tmp_path, tmp_path / "home")
    assert done.returncode == 1
    assert "hostnome" in done.stdout + done.stderr
