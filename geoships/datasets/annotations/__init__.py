"""Labels from annotation tools: tiles to annotate, annotation formats, and masks on the scene's grid."""
