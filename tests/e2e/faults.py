#!/usr/bin/env python3
"""The real binary on the local provider, with jobs, files and nodes that are not as they should be."""
import os, re, subprocess, sys, time
from real import Home, binary

MIB = 1 << 20
SANITIZED = b"__asan_init" in open(binary, "rb").read()  # holds on to what is freed: its memory is no measure


def case(function):
    began = time.monotonic()
    function()
    print(f"{time.monotonic() - began:6.1f} s  {function.__doc__ or function.__name__}", flush=True)


def fails(home, task, *, exit=1, words=(), attempts=1):
    name = home.launch("name: broken\n" + task)
    end = home.wait_for_end(name)
    assert end["phase"] == "failed" and end["exit"] == exit, (end["phase"], end["exit"], end["reason"])
    for word in words:
        assert word in end["reason"], (word, end["reason"])
    assert len(end["attempts"]) == attempts, end["attempts"]
    return end


def codes():
    """a command not found, a killed job, a failing setup"""
    with Home() as home:
        fails(home, "run: no-such-command-here", words=["command not found", "127"])
        fails(home, "run: kill -9 $$", words=["killed by signal 9"])
        fails(home, "run: exit 0\nsetup: exit 9", words=["setup exited with code 9"])


def big_output():
    """1 GB of output: the disk, the agent and the kept log stay small, the newest lines and the exit code are right"""
    line = "a line of output as long as lines of training logs are, more or less, step after step"
    with Home() as home:
        name = home.launch(f"name: loud\nrun: |\n  date +%s.%N > {home.path}/began\n  yes '{line}' | head -c 1G\n"
                           f"  date +%s.%N > {home.path}/ended\n  echo; echo the-very-last-line; exit 7")
        nodes = home.path + "/home/local/nodes"
        logs = home.path + "/home/logs"
        most_disk = most_memory = most_kept = 0
        while not (state := home.state(name))["final"]:
            for root in [os.path.join(nodes, n) for n in (os.listdir(nodes) if os.path.isdir(nodes) else [])]:
                most_disk = max(most_disk, size_of(root))
            most_memory = max([most_memory, *agent_memory(home)])
            most_kept = max(most_kept, size_of(logs))
            time.sleep(0.02)
        end = home.wait_for_end(name)
        assert "exited with code 7" in end["reason"], end["reason"]
        times = [float(open(f"{home.path}/{n}").read()) for n in ("began", "ended")]
        output = home.run("logs", name).stdout.splitlines()
        print(f"         {1024 / (times[1] - times[0]):.0f} MB/s; on the node at most {most_disk / MIB:.0f} MiB, in the agent "
              f"{most_memory / MIB:.1f} MiB, kept {most_kept / MIB:.0f} MiB")
        assert output[-1] == "the-very-last-line", output[-1]
        # Whole lines only, and where some are missing a line says so.
        torn = [l for l in output if not re.fullmatch(line + r"|the-very-last-line|" + line[:1] + r".*||\d+ bytes of output were lost: .*", l)]
        assert not torn, torn[:3]
        assert most_disk <= 65 * MIB, most_disk
        assert 0 < most_memory, most_memory
        if not SANITIZED:
            assert most_memory <= 48 * MIB, most_memory
        assert most_kept <= 130 * MIB, most_kept


def size_of(folder):
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                pass  # gone since it was listed
    return total


def agent_memory(home):
    """Peak bytes of each agent that runs."""
    found = []
    for pid in home.processes():
        try:
            if b"\0agent\0" in open(f"/proc/{pid}/cmdline", "rb").read():
                found.append(int(re.search(r"VmHWM:\s*(\d+) kB", open(f"/proc/{pid}/status").read())[1]) * 1024)
        except (OSError, TypeError):
            pass
    return found


def mounts():
    """file mounts reach the nodes; what cannot be put there is refused before anything is booked"""
    with Home() as home:
        home.write("data/deep/a.txt", "from-folder\n")
        home.write("one file.txt", "from-file\n")
        home.write("work/main.py", "print('from-workdir')\n")
        task = ("name: mounted\nworkdir: work\nfile_mounts:\n  data: data\n  conf/app.conf: one file.txt\n  ~/cache: data\n"
                "  in/: one file.txt\nrun: |\n  python3 main.py; cat data/deep/a.txt conf/app.conf ~/cache/deep/a.txt 'in/one file.txt'\n")
        path = home.write("task.yaml", task)
        name = home.launch(path)
        assert home.wait_for_end(name)["phase"] == "succeeded", home.run("logs", name).stdout
        lines = home.run("logs", name).stdout.splitlines()
        assert lines == ["from-workdir", "from-folder", "from-file", "from-folder", "from-file"], lines
        home.wait("the archive to be removed", lambda: not os.listdir(home.path + "/home/archives"), 10)
        for target, words in (("/opt/data", "this path is this machine's"), ("../x", "without")):
            path = home.write("bad.yaml", f"name: bad\nfile_mounts: {{{target}: data}}\nrun: 'true'\n")
            refused = home.run("launch", path, "--yes", "--detach", check=False)
            assert refused.returncode == 2 and f"file_mounts.{target}" in refused.stderr and words in refused.stderr, refused.stderr
        assert home.run("status").stdout.count("bad") == 0
        assert not os.listdir(home.path + "/home/archives"), "nothing is left of a launch that was refused"


def ignored():
    """the workdir is packed as git and .skyignore say"""
    def packed(home, *commands):
        for command in commands:
            subprocess.run(["bash", "-ec", command], cwd=home.path + "/w", check=True, capture_output=True)
        name = home.launch(home.write("task.yaml", "name: w\nworkdir: w\nrun: find . -type f | sort | tr '\\n' ' '\n"))
        assert home.wait_for_end(name)["phase"] == "succeeded"
        return home.run("logs", name).stdout.split()

    with Home() as home:
        for file in ("keep.py", "drop.bin", "sub/keep.txt", "sub/drop.bin", "sub/only-here.log", "with space"):
            home.write("w/" + file, "x")
        everything = packed(home)
        assert "./drop.bin" in everything and "./sub/only-here.log" in everything and len(everything) == 7, everything
        home.write("w/.gitignore", "*.bin\n")
        home.write("w/sub/.gitignore", "*.log\n")
        left = ["./.gitignore", "./keep.py", "./sub/.gitignore", "./sub/keep.txt", "./with", "space"]
        assert packed(home) == left, "no repository, but ignore files"
        git = "git -c user.name=t -c user.email=t@t"
        tracked = packed(home, "git init -q; git add -f drop.bin; git add .; " + git + " commit -qm x; rm keep.py")
        assert sorted(tracked) == sorted(["./drop.bin", *left[:1], *left[2:]]), tracked
        home.write("w/.skyignore", "sub/\n")
        assert "./sub/keep.txt" not in packed(home), ".skyignore"


def stubborn():
    """a job that ignores SIGTERM, and its grandchildren, are gone after `down`"""
    with Home() as home:
        name = home.launch("name: stubborn\ncheckpoint: {grace: 1s}\nrun: |\n  trap '' TERM\n  setsid bash -c \"trap '' TERM; while :; do sleep 0.1; done\" &\n"
                           "  echo up; while :; do sleep 0.1; done\n")
        home.wait("the job", lambda: "up" in home.run("logs", name, check=False).stdout)
        home.run("stop", name, "--yes")
        home.wait("the stop", lambda: home.state(name)["phase"] == "stopped" and home.state(name)["released"])
        home.wait("everything to be gone", lambda: not home.processes(), 15)


def machine_gone():
    """a machine that dies without a word is noticed, and the job goes on from its checkpoint on another machine"""
    with Home() as home:
        name = home.launch("name: gone\ncheckpoint: {path: c}\nrun: |\n  mkdir -p c; if [ -e c/s ]; then echo resumed; exit 0; fi\n"
                           "  echo 1 > c/s; echo '{\"step\": 1, \"file\": \"s\"}' > c/.L; mv c/.L c/LATEST.json; sleep 1000\n")
        home.wait("a checkpoint", lambda: home.run("checkpoint", "ls", name, check=False).stdout.strip())
        machine = [p for p in home.processes() if b"local-machine" in open(f"/proc/{p}/cmdline", "rb").read()]
        assert len(machine) == 1
        os.kill(machine[0], 9)
        end = home.wait_for_end(name)
        assert end["phase"] == "succeeded" and len(end["attempts"]) == 2, end["reason"]
        assert "resumed" in home.run("logs", name).stdout


def no_agent():
    """a node on which gpubroker is missing is told, and not bought again and again"""
    with Home() as home:
        copy = home.path + "/gpubroker"
        subprocess.run(["cp", binary, copy], check=True)
        # The supervisor hands out its own path; what is there is gone once the machine has started.
        supervisor = subprocess.Popen([copy, "supervise"], env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        home.wait("the supervisor", lambda: os.path.exists(home.path + "/home/journal.db"))
        name = home.launch("name: first\nrun: 'true'")
        assert home.wait_for_end(name)["phase"] == "succeeded", "while it is there all is well"
        home.write("gpubroker.new", f"#!/bin/sh\nrm -f '{copy}'\nexec '{binary}' \"$@\"\n")
        os.chmod(copy + ".new", 0o755)
        os.rename(copy + ".new", copy)
        fails(home, "run: 'true'", words=["the agent of node 0 did not start", copy])
        supervisor.terminate()
        supervisor.wait()


if __name__ == "__main__":
    chosen = sys.argv[3:]
    for one in (codes, big_output, mounts, ignored, stubborn, machine_gone, no_agent):
        if not chosen or one.__name__ in chosen:
            case(one)
