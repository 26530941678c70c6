"""From scenes to ships: one scene, many scenes, and stitching for other programs."""
