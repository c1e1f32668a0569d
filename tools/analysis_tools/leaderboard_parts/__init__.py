"""Parts of leaderboard.py."""
