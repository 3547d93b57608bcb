"""Independent tasks, on Dask: in this process, in threads, in processes, or on a cluster."""
