"""The page that answers on the device itself, with the network off: what it is made of, and its routes."""

from cutis.web.offline.pages import offline_router

__all__ = ["offline_router"]
