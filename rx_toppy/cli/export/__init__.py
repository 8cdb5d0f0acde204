"""Lists of top.gg's: votes as they come, and votes and bots as a file or on standard output."""
