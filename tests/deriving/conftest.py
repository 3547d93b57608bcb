collect_ignore = ["heart.py", "pulse.py", "reading_paper.py"]
