"""What is fuzzed lies in modules of its own, which hold no tests."""

collect_ignore = [
    "attack.py",
    "bids.py",
    "mutate.py",
    "native.py",
    "libraries.py",
    "documents.py",
    "stores.py",
]
