"""One file per architecture; the file name is the model's name."""
