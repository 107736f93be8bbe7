#!/usr/bin/env python3
"""Fails when an include points the wrong way, a heavy header leaves its door, or the world is reached past a port.

    lint_layers.py [ROOT]     checks a tree; prints `file:line: what`
    lint_layers.py --self     checks that each rule can fail

Longest prefix wins; a folder may always include itself. README.md of each folder says the same in words."""
import pathlib, re, sys, tempfile

CORE = ["core/base", "core/ports", "core/wire"]
MAY = {
    "core/base": [],
    "core/ports": ["core/base"],
    "core/plan": ["core/base"],
    "core/wire": ["core/base", "core/ports"],
    "core/workload": CORE,  # ports: check.cpp looks at the user's files
    "core/system": ["core/base", "core/ports"],
    "core/net": CORE,
    "core/store": CORE,
    "core/checkpoint": CORE + ["core/plan"],
    "core/agent": CORE + ["core/plan", "core/checkpoint"],
    "core/serve": CORE + ["core/plan"],
    "core/report": CORE + ["core/plan"],
    "core/broker": CORE + ["core/plan", "core/workload", "core/checkpoint"],
    "catalog": CORE + ["core/store"],
    "providers": CORE,  # each cloud is a folder of its own and sees no other
    "cmd": [""],
    "tests": [""],
}

# Headers that cost seconds per file, and the few files that may include them.
DOORS = {
    r"CLI/": r"cmd/options\.cpp",
    r"spdlog/": r"core/base/log\.cpp",
    r"nlohmann/": r"core/wire/json\.hpp|tests/.*",
    r"rapidjson/": r"core/wire/(flat|answer)_json\.cpp",
    r"yaml-cpp/": r"core/workload/(yaml|task_file)\.(hpp|cpp)|core/wire/.*|providers/local/scenario_file\.cpp",
    r"sqlite3\.h": r"core/store/.*|catalog/.*|tests/.*",
}

# The world is an argument: clock, randomness, environment come through ports.
WORLD = re.compile(r"(system_clock|steady_clock|high_resolution_clock)::now\(|\bstd::time\(|\b(s?rand|random)\(\)|random_device|"
                   r"\bsleep_for\(|\b(secure_)?getenv\(|\bgettimeofday\(|\bclock_gettime\(")
# The disk too: files are read and written through core/ports/files.hpp.
DISK = re.compile(r"std::filesystem|\b[io]?fstream\b|\bf(d|re)?open\(|\bopendir\(|(?<!\w)::(open|stat|mkdir|unlink|rename)\(")
MAY_TOUCH_DISK = re.compile(r"core/(system|store)/|catalog/|cmd/|core/base/log\.cpp|tests/")
MAY_TOUCH_WORLD = re.compile(r"core/(system|net)/|cmd/main\.cpp|tests/")

TOP = {"catalog", "cmd", "core", "providers", "scripts", "tests", "build"}


def folder(path):
    cloud = re.match(r"providers/[^/]+/", path)
    if cloud:
        return cloud[0].rstrip("/")
    return max((p for p in MAY if path.startswith(p + "/")), key=len, default=None)


def check_include(path, number, line):
    own = folder(path)
    system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
    if system:
        for heavy, door in DOORS.items():
            if re.match(heavy, system[1]) and not re.fullmatch(door, path):
                yield f"{path}:{number}: <{system[1]}> is only for {door}"
    ours = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
    if not ours:
        return
    other = folder(ours[1])
    registry = own == "providers" and (other or "").startswith("providers/")  # registry.cpp lists every cloud
    allowed = MAY.get(own, MAY["providers"])
    if other is None:
        yield f"{path}:{number}: include by path from the root, not {ours[1]}"
    elif other != own and not registry and not any(other == a or a == "" for a in allowed):
        yield f"{path}:{number}: {own} may not include {other}"


def check_tree(root):
    root = pathlib.Path(root)
    for entry in sorted(root.iterdir()):
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in TOP:
            yield f"{entry.name}: no top-level folder is called so"
    files = [f for top in TOP - {"build"} for f in (root / top).rglob("*") if f.suffix in (".hpp", ".cpp")]
    for file in sorted(files):
        path = file.relative_to(root).as_posix()
        if folder(path) is None:
            yield f"{path}: in no folder of the house"
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            yield from check_include(path, number, line)
            if WORLD.search(line.split("//")[0]) and not MAY_TOUCH_WORLD.match(path):
                yield f"{path}:{number}: the world is reached past a port: {line.strip()}"
            if DISK.search(line.split("//")[0]) and not MAY_TOUCH_DISK.match(path):
                yield f"{path}:{number}: the disk is reached past a port: {line.strip()}"
    for room in sorted({f.parent for f in files if "tests" not in f.relative_to(root).parts[:1]}):
        if not (room / "README.md").exists():
            yield f"{room.relative_to(root).as_posix()}: has no README.md"


def self_test():
    """Each rule is broken once, in a tree of its own, and must be found."""
    broken = {
        "core/base/a.hpp": '#include "core/ports/clock.hpp"',
        "core/plan/a.cpp": '#include "core/broker/state.hpp"',
        "providers/moon/codec.cpp": '#include "providers/local/scenario.hpp"',
        "core/broker/a.cpp": '#include "providers/local/provider.hpp"',
        "core/agent/a.cpp": "#include <CLI/CLI.hpp>",
        "core/report/a.cpp": "const auto now = std::chrono::system_clock::now();",
        "core/store/a.cpp": 'const char* home = getenv("HOME");',
        "core/wire/a.hpp": '#include "json.hpp"',
        "core/checkpoint/a.cpp": "std::ifstream file(path);",
    }
    missed = []
    for path, line in broken.items():
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True)
            (file.parent / "README.md").touch()
            file.write_text("#pragma once\n" + line + "\n")
            if not any(found.startswith(path + ":2:") for found in check_tree(root)):
                missed.append(f"the rule that {path} breaks is not found: {line}")
    return missed


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else "."
    findings = self_test() if argument == "--self" else list(check_tree(argument))
    print("\n".join(findings) or "no findings")
    sys.exit(1 if findings else 0)
