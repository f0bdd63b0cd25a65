"""Clean Debian systems in directories: debootstrap makes one, chroot runs commands in it.

    with CleanDebian("bookworm") as machine:
        machine.run("apt-get update")

A system is made from the package sources of this machine, so that it works wherever this machine
reaches its packages. Needs root. The directory is removed at the end.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile

MOUNTS = ("proc", "sys", "dev", "dev/pts", "dev/shm")
BASE_PACKAGES = "ca-certificates,git,make"
APT = pathlib.Path("/etc/apt")


def mirror():
    """The address of the first package source of this machine."""
    files = [*sorted((APT / "sources.list.d").glob("*.sources")), APT / "sources.list"]
    for path in files:
        text = path.read_text() if path.exists() else ""
        found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?) +(\S+)", text, re.M)
        if found:
            return found[1]
    raise RuntimeError("this machine has no package source in /etc/apt")


class CleanDebian:
    def __init__(self, suite, copy_of=None):
        """`copy_of`: a system of the same suite whose files are taken instead of a new one's."""
        self.suite = suite
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=f"bitdex-{suite}-"))
        self.root.chmod(0o755)
        self._copy_of = copy_of

    def __enter__(self):
        try:
            self._make()
            for name in MOUNTS:
                target = self.root / name
                target.mkdir(parents=True, exist_ok=True)
                subprocess.run(["mount", "--bind", f"/{name}", target], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(MOUNTS):
            subprocess.run(["umount", "-l", self.root / name], stderr=subprocess.DEVNULL)
        if str(self.root) not in pathlib.Path("/proc/mounts").read_text():
            shutil.rmtree(self.root)

    def _make(self):
        if self._copy_of is not None:
            command = ["cp", "-a", "--one-file-system", f"{self._copy_of.root}/.", self.root]
            subprocess.run(command, check=True)
            return
        log = self.root.with_suffix(".log")
        include = f"--include={BASE_PACKAGES}"
        command = ["debootstrap", "--variant=minbase", include, self.suite, self.root, mirror()]
        with open(log, "w") as out:
            subprocess.run(command, check=True, stdout=out, stderr=out)
        log.unlink()
        self._copy_access()

    def _copy_access(self):
        """How this machine reaches its packages: sources, certificates, settings."""
        shutil.rmtree(self.root / "etc/apt/sources.list.d", ignore_errors=True)
        (self.root / "etc/apt/sources.list").unlink(missing_ok=True)
        for path in ("etc/apt/sources.list", "etc/apt/sources.list.d", "etc/resolv.conf",
                     "etc/pip.conf", "usr/share/keyrings", "usr/local/share/ca-certificates"):
            source = pathlib.Path("/") / path
            if source.is_dir():
                shutil.copytree(source, self.root / path, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, self.root / path)
        for path in (APT / "apt.conf.d").glob("99*"):
            shutil.copy(path, self.root / "etc/apt/apt.conf.d" / path.name)
        host = re.search(r"VERSION_CODENAME=(\S+)", pathlib.Path("/etc/os-release").read_text())[1]
        lists = [*(self.root / "etc/apt").glob("sources.list*/*"),
                 self.root / "etc/apt/sources.list"]
        for path in lists:
            if not path.exists():
                continue
            text = path.read_text()
            if "debian" not in text:
                path.unlink()  # a foreign repository has no packages for another suite
            else:
                path.write_text(re.sub(rf"\b{host}\b", self.suite, text))
        self.run("update-ca-certificates >/dev/null 2>&1 || true")

    def run(self, command, check=True, **options):
        """Runs a shell command in the system; returns the completed process."""
        line = ["chroot", self.root, "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
                "DEBIAN_FRONTEND=noninteractive",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "bash", "-c", command]
        done = subprocess.run(line, capture_output=True, text=True, **options)
        if check and done.returncode != 0:
            output = (done.stdout + done.stderr)[-4000:]
            raise RuntimeError(f"{self.suite}: {command}: exit {done.returncode}\n{output}")
        return done

    def begin(self, command, **options):
        """Starts a shell command in the system; returns its process."""
        line = ["chroot", self.root, "bash", "-c", f"exec {command}"]
        return subprocess.Popen(line, **options)
