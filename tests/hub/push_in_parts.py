"""Push a folder with few files a commit, for a test that kills this process."""

import sys
from importlib import import_module

import physioprep as pp

if __name__ == "__main__":
    import_module("physioprep.hub.push").PER_COMMIT = int(sys.argv[3])
    print(pp.push(sys.argv[1], sys.argv[2]).url)
