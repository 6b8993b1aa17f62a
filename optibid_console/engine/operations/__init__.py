"""What backup, migrate and restore need and prove, around the command that each runs."""
