"""A simulated camera that films photographs: it renders the embedded dataset."""
