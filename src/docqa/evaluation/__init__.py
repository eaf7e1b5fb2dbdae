"""Measuring docqa: metrics, data sets, and evaluations that call the same Reader and DocQA as the screen does."""
