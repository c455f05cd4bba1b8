"""The widget and its one-file form, in reading order: protocol, widget, content, form, export.

Its part in the browser is player.js and player.css.
"""
