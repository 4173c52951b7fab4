"""What is written in Python. Modules and what they import travel to hosts; everything else runs on the control node."""
