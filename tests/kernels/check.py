"""Holds a capture against what its workload measured: thread, call, arguments, time.

check.py CONTEND CAPTURE TRUTH
"""
import json
import subprocess
import sys

contend, capture, truth = sys.argv[1:]
found = json.loads(subprocess.run([contend, "offcpu", "--json", "--no-symbols", capture], capture_output=True, check=True).stdout)
threads = {thread["tid"]: thread for thread in found["threads"]}
locks = {lock.get("word"): lock for lock in found["locks"]}
wrong = []
seen = 0
for line in open(truth):
    if not line.startswith("thread "):
        continue
    _, tid, name, kind, word, count, ns, _, waker, *_ = line.split()
    tid, count, ns, waker = int(tid), int(count), int(ns), int(waker)
    thread = threads.get(tid)
    if thread is None or thread["comm"] != name:
        wrong.append(f"{name}: thread {tid} is {thread and thread['comm']}")
        continue
    seen += 1
    total, part = None, thread["by_state"]
    if kind in ("mutex", "futex"):
        # The first argument of the call is the lock word.
        lock = locks.get(word)
        if lock is None:
            wrong.append(f"{name}: nobody waited for {word}")
            continue
        total = lock["total_ns"]
        wakes = {holder["tid"]: holder["wakes"] for holder in lock["holders"]}
        if wakes.get(waker, 0) + 2 < sum(wakes.values()):
            wrong.append(f"{name}: woken by {wakes}, not by {waker}")
    elif kind in ("read", "sleep"):
        total = thread["total_ns"]
    elif kind == "hog" and part["blocked"] > 5_000_000:
        wrong.append(f"{name}: blocked {part['blocked']} ns, it never waits")
    # Under emulation what a thread does between its clock and its call takes long.
    if total is not None and abs(total - ns) > max(ns * 0.05, 20_000_000):
        wrong.append(f"{name}: {ns} ns by its own clock, {total} recorded")
calls = {call["syscall"] for call in found["syscalls"]}
for call in ("futex", "read"):
    if not any(call in name for name in calls):
        wrong.append(f"no {call} among the calls: {sorted(calls)}")
if seen < 10:
    wrong.append(f"{seen} threads of 10")
if wrong:
    print("FAILED")
    for text in wrong:
        print("   ", text)
    sys.exit(1)
print(f"{found['intervals']} intervals agree with the workload")
