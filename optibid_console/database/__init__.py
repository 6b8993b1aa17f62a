"""What the console knows of a PostgreSQL database: queries, and what their rows mean. Pure."""
