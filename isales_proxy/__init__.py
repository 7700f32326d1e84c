"""Calls CC-iSales and stores its data."""
