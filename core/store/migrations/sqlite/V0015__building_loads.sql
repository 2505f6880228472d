-- The highest load of each circuit's building in each of its last hours, in mA for each line. An hour is named by its beginning.
CREATE TABLE building_loads (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    circuit TEXT NOT NULL,
    hour INTEGER NOT NULL,
    l1_ma INTEGER NOT NULL,
    l2_ma INTEGER NOT NULL,
    l3_ma INTEGER NOT NULL,
    PRIMARY KEY (tenant, location_id, circuit, hour)
) STRICT;
