#!/usr/bin/env python3
"""Runs the fuzz targets that scripts/fuzz has built, and keeps count of their runs: build/fuzz-runs.tsv has a line for each turn of a target,
tests/fuzz/runs.tsv what former builds have added up to."""
import argparse, concurrent.futures, json, os, pathlib, re, shutil, signal, subprocess, sys, time

ENOUGH = 10_000_000  # runs of a target

parser = argparse.ArgumentParser()
parser.add_argument("how", choices=["short", "long", "table", "keep"])
parser.add_argument("source", type=pathlib.Path)
parser.add_argument("--seconds", type=int, default=0, help="of each target's turn")
parser.add_argument("--runs", type=int, default=ENOUGH, help="of each target in all: where `long` ends")
parser.add_argument("targets", nargs="*")
options = parser.parse_intermixed_args()  # targets may follow --seconds

SOURCE = options.source.resolve()
BUILD = SOURCE / "build" / ("fuzz-fast" if options.how == "long" else "fuzz")
BIN, RUNS, FINDINGS = BUILD / "tests/fuzz", SOURCE / "build/fuzz-runs.tsv", SOURCE / "build/fuzz-findings"
KEPT = SOURCE / "tests/fuzz/runs.tsv"
CORPUS = SOURCE / "build/fuzz-corpus"  # of both builds: what one found is where the other begins
FIXTURES = SOURCE / "tests/fixtures"
LONGEST = 4096  # bytes of an input: what is longer is rarely another case, and always slower
CLOUDS = sorted(path.stem for path in (SOURCE / "tests/fuzz/clouds").glob("*.cpp"))
TARGETS = options.targets or ["grpc", "manifest", "record", "s3", "scenario", "task", "values", "wire", *CLOUDS]


def shortened(value):
    """An answer with no more than two of each list: long fixtures are many rows of one shape."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return [shortened(item) for item in value[:2]] if isinstance(value, list) else value


def seed(folder, name, content, checks):
    """Each of a target's checks begins with each seed: its number goes before it (fuzz.hpp, Turn)."""
    if len(content) >= LONGEST:
        try:
            content = json.dumps(shortened(json.loads(content))).encode()
        except ValueError:
            content = content[:LONGEST - 1]
    for check in range(max(checks, 1)):
        (folder / f"seed-{check}-{name}").write_bytes((bytes([check]) if checks else b"") + content)


def write_seeds():
    CORPUS.mkdir(parents=True, exist_ok=True)
    subprocess.run([BIN / "fuzz_write_seeds", CORPUS], check=True)
    for target in TARGETS:
        folder = CORPUS / target
        folder.mkdir(exist_ok=True)
        if target in CLOUDS:
            text = (SOURCE / "tests/fuzz/clouds" / f"{target}.cpp").read_text()
            checks = re.search(r"fuzz::Turn turn\(input, (\d+)\)", text)
            files = [path for path in sorted((FIXTURES / target).rglob("*")) if path.is_file()]
            for number, path in enumerate(files):
                seed(folder, f"{number}-{path.name}", path.read_bytes(), int(checks[1]) if checks else 0)
        if target in ("task", "scenario"):
            for where in {"task": ("skypilot", "jobs"), "scenario": ("scenarios",)}[target]:
                for path in (FIXTURES / where).glob("*.yaml"):
                    shutil.copy(path, folder / path.name)
        if target == "task":
            for number, part in enumerate((FIXTURES / "task_mistakes.txt").read_text().split("=== ")[1:]):
                (folder / f"mistake-{number}").write_text(part.split("\n", 1)[1].split(">>>\n")[0])


def findings(target):
    return sorted(path for path in (FINDINGS / target).glob("*") if not path.name.startswith("slow-unit"))


def run(target, seconds, most_runs=-1):
    """One turn, until the time is up or so many runs are done; how many, or None when it ended before it could run at all."""
    log = BUILD / "logs" / target
    log.parent.mkdir(exist_ok=True)
    (FINDINGS / target).mkdir(parents=True, exist_ok=True)
    began, before = time.monotonic(), len(findings(target))
    with open(log, "wb") as out:
        # A leak check at the end of each run is enough.
        subprocess.run([BIN / f"fuzz_{target}", f"-max_total_time={seconds}", f"-runs={most_runs}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048",
                        "-detect_leaks=1", "-print_final_stats=1", f"-artifact_prefix={FINDINGS / target}/",
                        # Weighing the corpus costs a quarter of a quick run.
                        f"-entropic={int(options.how == 'short')}", CORPUS / target],
                       stdout=out, stderr=subprocess.STDOUT)
    told = re.search(r"stat::number_of_executed_units: *(\d+)", log.read_text(errors="replace"))
    runs = int(told[1]) if told else None
    with open(RUNS, "a") as out:
        out.write(f"{target}\t{runs or 0}\t{BUILD.name}\t{time.monotonic() - began:.0f}\t{len(findings(target)) - before}\n")
    return runs


def totals():
    """By target: runs, of these sanitized, and runs per second of the last turn with the fast build."""
    sums = {target: [0, 0, 0] for target in TARGETS}
    for line in KEPT.read_text().splitlines()[1:] if KEPT.exists() else []:
        target, runs, sanitized = line.split("\t")
        if target in sums:
            sums[target][:2] = int(runs), int(sanitized)
    for line in RUNS.read_text().splitlines() if RUNS.exists() else []:
        target, runs, flavour, seconds, _ = line.split("\t")
        if target not in sums:
            continue
        sums[target][0] += int(runs)
        if flavour == "fuzz":
            sums[target][1] += int(runs)
        else:
            sums[target][2] = int(runs) // max(int(seconds), 1)
    return sums


def table():
    print(f"{'TARGET':<14}{'RUNS':>14}{'SANITIZED':>14}{'RUNS/S':>10}{'FINDINGS':>10}")
    for target, (runs, sanitized, rate) in totals().items():
        print(f"{target:<14}{runs:>14,}{sanitized:>14,}{rate:>10,}{len(findings(target)):>10}{'' if runs >= ENOUGH else '  not yet'}")
    sys.stdout.flush()


def keep():
    """Adds this build's turns to what is committed."""
    rows = [f"{target}\t{runs}\t{sanitized}\n" for target, (runs, sanitized, _) in totals().items()]
    KEPT.write_text("target\truns\tof these sanitized\n" + "".join(rows))
    RUNS.unlink(missing_ok=True)


def short():
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, runs in zip(TARGETS, pool.map(lambda target: run(target, options.seconds or 60), TARGETS)):
            if runs is None or findings(target):
                failed.append(target)
    table()
    for target in failed:
        words = re.findall(r"^(?:violated|.*(?:ERROR:|runtime error)).*", (BUILD / "logs" / target).read_text(errors="replace"), re.M)
        kept = [f"{path} (remove it when it is mended)" for path in findings(target)[:3]]
        print(f"{target}: " + "; ".join([*words[:3], *kept] or ["it could not run"]))
    return 1 if failed else 0


def long():
    """Whoever has the fewest runs is next, until all have enough."""
    stopped = set()
    while True:
        runs = {target: sums[0] for target, sums in totals().items()}
        left = [target for target in TARGETS if target not in stopped and runs[target] < options.runs]
        if not left:
            return 1 if stopped else 0
        target = min(left, key=runs.get)
        if run(target, options.seconds or 300, options.runs - runs[target]) is None:
            stopped.add(target)  # it cannot run
        table()


if options.how == "table":
    table()
elif options.how == "keep":
    keep()
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    write_seeds()
    sys.exit(short() if options.how == "short" else long())
