"""Which ships broadcast: AIS messages, the tracks that they make, and their assignment to ships that were found."""
