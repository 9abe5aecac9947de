"""The review pages for people: sign-in, the queue, one message with its decision, and listings.

They work without JavaScript. Each page is a route whose handler returns HTML.
"""
