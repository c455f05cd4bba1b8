"""The widget and its one-file form, in reading order: widget, content, form, export; player.js and player.css are its part in the browser."""
