"""Real image pairs: download, unpack, find, check, decode, map into memory."""
