"""What AWS says exists: asked, attributed, and kept with its history."""
