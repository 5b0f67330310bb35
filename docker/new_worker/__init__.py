"""Make a Worker from workers/template: its folder, its service, its port; everything or nothing. `make new` runs this."""
