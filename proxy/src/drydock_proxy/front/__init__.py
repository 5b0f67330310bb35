"""The front: takes every client's connection, answers hits itself, and hands on whatever else there is."""
