"""The corpora that physioprep knows: one module each, named as in manifests/."""
