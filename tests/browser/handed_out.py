"""What the tests of the handed-out page share: its first question, and its comparison."""


def after_a_choice(page):
    """Answer the first question, if it is still open, and return the player."""
    page.locator('[data-state]').wait_for(state='attached')
    if page.locator('[data-state="asking"]').count():
        page.locator('form.first input').first.check()
    return page.locator('[data-explorer="player"]')


def compare(shown):
    """Ask a player for the comparison with its second run."""
    shown.locator('[data-part="menu"] > summary').click()
    shown.locator('[data-action="compare"]').click()
