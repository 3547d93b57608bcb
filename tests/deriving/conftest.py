collect_ignore = ["heart.py"]
