"""Bridges, addresses and ways out, as plans made of minidock/linux calls."""
