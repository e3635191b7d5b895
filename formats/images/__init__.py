"""Encoded images: their headers, their pixels."""
