-- The most an EVSE of a station can give, in W; NULL: nobody said.
ALTER TABLE stations ADD COLUMN max_power_w BIGINT;
