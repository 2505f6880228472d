-- Behind the wall an index on an expression is not used: the server cannot know that it tells nothing of hidden rows. Columns are.
--
-- Plain columns, because generated ones would have the table written anew while nobody may read it. A trigger fills them, also for the
-- release before, which does not know them; the program fills those of tokens that are there already, many at a time.
ALTER TABLE tokens ADD COLUMN party_country TEXT COLLATE "C", ADD COLUMN party_id TEXT COLLATE "C";
CREATE FUNCTION fill_token_party() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.party_country := NEW.document -> 'party' ->> 'country_code';
    NEW.party_id := NEW.document -> 'party' ->> 'party_id';
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION fill_token_party() FROM PUBLIC;
CREATE TRIGGER token_party BEFORE INSERT OR UPDATE OF document ON tokens FOR EACH ROW EXECUTE FUNCTION fill_token_party();
