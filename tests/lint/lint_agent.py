#!/usr/bin/env python3
"""Fails when the program that nodes are given asks for a newer C library than theirs, or for libraries that a node may lack."""
import re, subprocess, sys

NEWEST = (2, 34)  # glibc of Amazon Linux 2023 and RHEL 9; Ubuntu 22.04 has 2.35
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}

told = subprocess.run(["readelf", "-dVW", sys.argv[1]], check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout
needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", told))
versions = {tuple(map(int, version.split("."))) for version in re.findall(r"Name: GLIBC_([0-9.]+)", told)}
wrong = [f"it needs {library}" for library in sorted(needed - LIBRARIES)]
wrong += [f"it needs glibc {'.'.join(map(str, version))}" for version in sorted(versions) if version > NEWEST]
if "libc.so.6" not in needed or not versions:
    wrong.append("readelf tells nothing of it")
for what in wrong:
    print(f"{sys.argv[1]}: {what}; nodes have libc up to {'.'.join(map(str, NEWEST))}, libm and libgcc_s. `readelf -VW` and `objdump -T` tell by what")
sys.exit(1 if wrong else 0)
