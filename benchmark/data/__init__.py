"""Real image pairs: download, unpack, locate, check, decode and map them into memory."""
