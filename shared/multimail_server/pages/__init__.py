"""The human's page: sign-in, the queue, one item with its decision, and what left and came in.

It works without JavaScript; every page is one `Answer` of the same routes that serve the API.
"""
