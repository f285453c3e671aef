"""Fixtures that several modules here share."""

from tests.integration.scraping import moved, page, prometheus, scraped

__all__ = ["moved", "page", "prometheus", "scraped"]
