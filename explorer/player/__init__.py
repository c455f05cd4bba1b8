"""The player, as a widget and as a single HTML file.

In reading order: protocol, widget, content, form, export. The browser's half is player.js and player.css.
"""
