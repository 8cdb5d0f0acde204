"""What becomes of the library when the network, the disk and top.gg fail: days of it, by seed."""
