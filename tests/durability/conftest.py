"""Scripts that the tests start: each needs a process of its own."""

collect_ignore = ["kill_calls.py", "lose_power.py", "lossy_disk.py", "training.py", "verbs.py"]
