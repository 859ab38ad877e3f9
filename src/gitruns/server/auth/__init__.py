"""Who calls and what they may: tokens, identities that a provider vouches for, and those that a proxy has checked.

Each way in yields a `Person` or refuses. Nothing here knows of routes: which role a call needs is the frame's to ask.
"""
