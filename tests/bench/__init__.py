"""Measurements, one question in each file. They print figures; only what must hold on any machine is asserted."""
