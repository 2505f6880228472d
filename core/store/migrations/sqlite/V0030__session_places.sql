-- The location as it was when a roaming driver's session was first known: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN place TEXT;

-- The EVSE as it was described when a roaming driver's session was first known there: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN hardware TEXT;
