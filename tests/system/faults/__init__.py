"""What is killed, cut, filled up or set wrong here must cost no job and no image."""
