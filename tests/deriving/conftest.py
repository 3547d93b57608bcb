collect_ignore = ["heart.py", "reading_paper.py"]
