"""Files and folders from strangers: archives, walks, safe paths, atomic writing."""
