"""What an existing project says of itself, in its code and beside it, and the project of ours that follows from it."""
