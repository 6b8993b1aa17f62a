"""What may be done now, and what would happen. Pure: decides, never acts."""
