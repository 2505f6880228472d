//! The roles of PostgreSQL: who owns the schema, who works on it, who reads. The whole contract runs as the app role, too.

use ringmain_store::store::{Store, StoreError, StoreSettings};

use crate::make::{at, station, tariff, tariff_id, whole_transaction};
use crate::rig::{self, APP, READ, Rig};
use ringmain_domain::tariff::Dimension;

async fn open(url: &str) -> Result<Store, StoreError> {
    Store::open(url, StoreSettings::default()).await
}

/// SQLSTATE of what a role is answered; empty when it may.
async fn answer(rig: &Rig, role: &str, sql: &str) -> String {
    let client = rig::connect(&rig::as_role(&rig.owner_url, role)).await;
    let error = client.batch_execute(sql).await.err();
    error.map_or_else(String::new, |error| error.code().expect("an answer of the server").code().to_owned())
}

const REFUSED: &str = "42501";

#[tokio::test]
async fn the_app_role_cannot_change_the_schema_or_what_happened() {
    let Some(rig) = rig::postgres("the_app_role_cannot_change_the_schema_or_what_happened").await else {
        return;
    };
    rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    for sql in [
        "CREATE TABLE mine (id BIGINT)",
        "DROP TABLE sessions",
        "ALTER TABLE sessions ADD COLUMN mine BIGINT",
        "CREATE INDEX mine ON sessions (tenant)",
        "TRUNCATE sessions",
        "DELETE FROM refinery_schema_history",
        "DELETE FROM events",
        "UPDATE transaction_events SET phase = 'ended'",
        "DELETE FROM cdrs",
        "UPDATE audit_events SET actor = 'nobody'",
    ] {
        assert_eq!(answer(&rig, APP, sql).await, REFUSED, "{sql}");
    }
    // Tables of a later release are within its reach, without another grant.
    rig.execute("CREATE TABLE later (id BIGINT GENERATED ALWAYS AS IDENTITY, note TEXT)").await;
    assert_eq!(answer(&rig, APP, "INSERT INTO later (note) VALUES ('x')").await, "");
}

#[tokio::test]
async fn facts_wait_while_the_database_is_not_as_it_should_be() {
    let Some(rig) = rig::postgres("facts_wait_while_the_database_is_not_as_it_should_be").await else {
        return;
    };
    let facts = whole_transaction("CS-1", "tx");
    for (wrong, mended) in [
        (format!("REVOKE INSERT ON events FROM {APP}"), format!("GRANT INSERT ON events TO {APP}")),
        (
            "ALTER TABLE events ADD CONSTRAINT months_before CHECK (received_at < 0)".to_owned(),
            "ALTER TABLE events DROP CONSTRAINT months_before".to_owned(),
        ),
        ("ALTER TABLE events RENAME TO moved".to_owned(), "ALTER TABLE moved RENAME TO events".to_owned()),
    ] {
        rig.execute(&wrong).await;
        let refused = rig.store.append(&facts).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{wrong}: {refused}");
        rig.execute(&mended).await;
    }
    rig.store.append(&facts).await.unwrap();
    assert_eq!(rig.count("events").await, i64::try_from(facts.len()).unwrap());
}

#[tokio::test]
async fn the_read_role_sees_the_reports_and_nothing_else() {
    let Some(rig) = rig::postgres("the_read_role_sees_the_reports_and_nothing_else").await else { return };
    let owner = open(&rig.owner_url).await.unwrap();
    owner.grant_read(READ).await.unwrap();
    owner.grant_read(READ).await.unwrap();
    let settings = StoreSettings { default_tariff: Some(tariff_id("D")), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    store.put_tariff(&tariff("D", &[(Dimension::Energy, "0.10")])).await.unwrap();
    store.insert_station(&station("CS-1")).await.unwrap();
    store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    rig.execute("UPDATE sessions SET started_at = 9223372036854775807 WHERE FALSE").await;
    let reader = rig::connect(&rig::as_role(&rig.owner_url, READ)).await;
    let row = reader
        .query_one(
            "SELECT (s.started_at = to_timestamp(s.started_ms / 1000.0))::TEXT AS same, s.cost_incl_tax = c.total_incl_tax AS paid, \
             c.created_at > TIMESTAMPTZ '2026-01-01' AS recent FROM reporting.sessions s JOIN reporting.cdrs c ON c.session_id = s.id",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>("same"), "true");
    assert!(row.get::<_, bool>("paid") && row.get::<_, bool>("recent"));
    for view in ["stations", "sessions", "cdrs", "commands", "audit_events"] {
        assert_eq!(answer(&rig, READ, &format!("SELECT * FROM reporting.{view}")).await, "", "{view}");
    }
    let tables = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables \
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let owner = rig::connect(&rig.owner_url).await;
    let tables = owner.query(tables, &[]).await.unwrap();
    assert!(tables.len() > 30);
    for row in tables {
        let table: &str = row.get(0);
        assert_eq!(answer(&rig, READ, &format!("SELECT * FROM {table}")).await, REFUSED, "{table}");
    }
    assert_eq!(answer(&rig, READ, "INSERT INTO reporting.stations (tenant) VALUES ('x')").await, REFUSED);
    assert_eq!(answer(&rig, READ, "CREATE TABLE public.mine (id BIGINT)").await, REFUSED);
    let never = "SELECT reporting.instant(9223372036854775807) IS NULL AND reporting.instant(-9223372036854775808) IS NULL";
    assert!(reader.query_one(never, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn a_node_whose_role_may_not_migrate_says_who_must() {
    let Some(rig) = rig::postgres("a_node_whose_role_may_not_migrate_says_who_must").await else { return };
    let refusal = async |url: String| match open(&url).await {
        Err(StoreError::Unavailable { reason }) => reason.into_string(),
        other => panic!("{other:?}"),
    };
    let stranger = refusal(rig::as_role(&rig.owner_url, READ)).await;
    assert!(stranger.contains("ringmain migrate --grant-app"), "{stranger}");
    // A release later: the schema lacks a change, and it is not this role's to make.
    rig.execute("DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)")
        .await;
    let behind = refusal(rig.url.clone()).await;
    assert!(behind.contains("lacks 1 changes") && behind.contains("`ringmain migrate`"), "{behind}");
    rig.execute(
        "DROP SCHEMA public, reporting, months CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC",
    )
    .await;
    let nothing = refusal(rig.url.clone()).await;
    assert!(nothing.contains("`ringmain migrate`"), "{nothing}");
    open(&rig.owner_url).await.unwrap().canary(at(1)).await.unwrap();
}

#[tokio::test]
async fn a_role_that_no_grant_can_bound_is_refused() {
    let sqlite = rig::sqlite().await;
    assert!(matches!(sqlite.store.grant_app("x").await, Err(StoreError::Conflict { .. })));
    let Some(rig) = rig::postgres("a_role_that_no_grant_can_bound_is_refused").await else { return };
    let owner = open(&rig.owner_url).await.unwrap();
    for role in ["ringmain", "postgres", "nobody\"; DROP TABLE sessions; --"] {
        let refused = owner.grant_app(role).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{role}: {refused}");
    }
    // Its membership in a role that may make tables: a name for each run, roles are the whole server's.
    let maker = format!("ringmain_test_maker_{}", uuid::Uuid::new_v4().simple());
    rig.execute(&format!(
        "CREATE ROLE {maker}; GRANT {maker} TO {READ}; GRANT CREATE ON SCHEMA public TO {maker}"
    ))
    .await;
    let refused = owner.grant_app(READ).await;
    rig.execute(&format!(
        "REVOKE {maker} FROM {READ}; REVOKE CREATE ON SCHEMA public FROM {maker}; DROP ROLE {maker}"
    ))
    .await;
    assert!(
        matches!(&refused, Err(StoreError::Conflict { reason }) if reason.contains("REVOKE CREATE")),
        "{refused:?}"
    );
    let refused = rig.store.grant_app(READ).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "who owns nothing can give nothing: {refused}");
}

#[tokio::test]
async fn the_app_role_finds_only_tenants_it_names() {
    let Some(rig) = rig::postgres("the_app_role_finds_only_tenants_it_names").await else { return };
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let open = "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND \
         EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))";
    assert_eq!(
        rig.number(open).await,
        0,
        "a table with a tenant has no wall: end its change with SELECT wall_tenants()"
    );
    let app = rig::connect(&rig.url).await;
    let count = async || app.query_one("SELECT count(*) FROM stations", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 0, "who names nobody finds nothing");
    for (named, found) in
        [("other", 0), ("other\u{1f}default", 1), ("default", 1), ("def", 0), ("", 0), ("\u{1f}", 1)]
    {
        app.execute("SELECT set_config('ringmain.tenants', $1, FALSE)", &[&named]).await.unwrap();
        assert_eq!(count().await, found, "{named:?}");
    }
    app.batch_execute("SET ringmain.tenants = 'other'").await.unwrap();
    let theirs = "INSERT INTO tariffs (tenant, id, updated_at, document) VALUES ('default', 'x', 0, '{}')";
    let refused = app.batch_execute(theirs).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), REFUSED);
    assert_eq!(app.execute("DELETE FROM stations", &[]).await.unwrap(), 0);
    // Past a whole table to one of its months leads no way.
    assert_eq!(answer(&rig, APP, "SELECT * FROM months.events_default").await, REFUSED);
}
