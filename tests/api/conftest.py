from tests.realtime.conftest import presence, pump

__all__ = ["presence", "pump"]
