"""`drydock doctor`: what is looked at, what is concluded from it, and the report that several places add to."""
