-- The second wall between tenants, for roles that do not own the tables: rows of a tenant are there for those who said its name
-- (`ringmain.tenants`, ids with U+001F between them; U+001F alone is the door for what the house does for all). Who says nothing finds
-- nothing. The owner is not walled in: it migrates, archives, and the views of `reporting` are its own.
--
-- A later change that makes a table with a tenant ends with SELECT wall_tenants().
CREATE FUNCTION wall_tenants() RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    t RECORD;
BEGIN
    FOR t IN SELECT c.oid, c.oid::regclass AS name FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
        WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind IN ('r', 'p')
            AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenants')
        -- Always the same order: who locks some of them one after the other does not wait for us while we wait for them.
        ORDER BY c.relname
    LOOP
        -- Asked for once in a statement, not for each row.
        EXECUTE format('CREATE POLICY tenants ON %s USING (
            tenant = ANY (CAST((SELECT string_to_array(current_setting(''ringmain.tenants'', TRUE), chr(31))) AS TEXT[]))
            OR (SELECT current_setting(''ringmain.tenants'', TRUE) = chr(31)))', t.name);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION wall_tenants() FROM PUBLIC;
SELECT wall_tenants();
