"""Tables derived from a store: heart beats and their measurements, features of EEG."""
