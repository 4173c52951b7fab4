"""What hosts say of how they are, for people and programs."""
