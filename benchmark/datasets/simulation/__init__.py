"""A simulated camera in front of photographs: what the embedded dataset is made with."""
