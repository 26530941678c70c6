"""What comes in: uploads, zips and addresses, checked before anything opens them."""
