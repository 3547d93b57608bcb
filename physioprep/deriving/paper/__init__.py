"""ECG drawn as on paper, pixel by pixel, for models that read pictures."""
