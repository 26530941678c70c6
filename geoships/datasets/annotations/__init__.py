"""Labels from annotation tools: tiles to draw on, shapes that were drawn, masks on the scene's grid."""
