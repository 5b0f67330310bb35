"""A container that plays the internet: real files under the real hosts' names, and a control port that tells what was asked."""
