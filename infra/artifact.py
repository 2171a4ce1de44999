"""The last step of the build: takes out what does not run, compiles the rest, checks it, and writes down what is there.

python3.13 artifact.py DIRECTORY MACHINE     MACHINE is aarch64 or x86_64
"""

import compileall
import hashlib
import json
import shutil
import struct
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

# The simulator, the console and the local server are not for Lambda.
NOT_DEPLOYED = ("handler/simulator", "handler/cli.py", "handler/demo.py", "handler/server.py", "handler/__main__.py")
# Entry points and records of the installation; a `.pth` file would run at every start.
LEFT_BY_INSTALLERS = (
    "bin",
    ".lock",
    "*.pth",
    "*.virtualenv",
    "**/__pycache__",
    "**/*.pyc",
    "**/tests",
    "**/test",
    "**/*.pyi",
)
ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
MAX_BYTES = 38_000_000


def main(root: Path, machine: str) -> None:
    """Raises SystemExit with the reason when the artifact is not what it should be."""
    for pattern in (*NOT_DEPLOYED, *LEFT_BY_INSTALLERS):
        for path in sorted(root.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for library in root.rglob("*.so*"):
        if (found := _machine(library)) != machine:
            raise SystemExit(f"{library.relative_to(root)} is for {found}, not {machine}")
    (root / "run.sh").chmod(0o755)
    # SAM's zip stamps every file 1980: only what is not compared with its source's time survives that.
    if not compileall.compile_dir(root, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH):
        raise SystemExit("a file does not compile")
    files = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"), key=str) if path.is_file()}
    if (size := sum(path.stat().st_size for path in files.values())) > MAX_BYTES:
        raise SystemExit(f"the artifact has {size} bytes, more than {MAX_BYTES}")
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    whole = hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()).hexdigest()
    manifest = {"machine": machine, "bytes": size, "sha256": whole, "files": digests}
    (root / "manifest.json").write_text(json.dumps(manifest, indent=0))


def _machine(library: Path) -> str:
    """The architecture an ELF file is for."""
    head = library.read_bytes()[:20]
    if head[:4] != b"\x7fELF":
        return "nothing (no ELF file)"
    number: int = struct.unpack_from("<H", head, 18)[0]
    return ELF_MACHINES.get(number, f"machine {number}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
