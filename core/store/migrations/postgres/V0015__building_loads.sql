-- The highest load of each circuit's building in each of its last hours, in mA for each line. An hour is named by its beginning.
CREATE TABLE building_loads (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    circuit TEXT COLLATE "C" NOT NULL,
    hour BIGINT NOT NULL,
    l1_ma BIGINT NOT NULL,
    l2_ma BIGINT NOT NULL,
    l3_ma BIGINT NOT NULL,
    PRIMARY KEY (tenant, location_id, circuit, hour)
);
