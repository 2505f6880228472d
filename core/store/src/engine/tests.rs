//! What both engines must do with any statement, before there is a noun.

use std::path::Path;

use super::*;
use crate::engine::param::params;
use crate::migrate;

/// An engine of one's own; its folder, where it has one, lives as long.
async fn engines() -> Vec<(Engine, Option<tempfile::TempDir>)> {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let sqlite = Sqlite::open(Path::new(&path), migrate::sqlite).await.unwrap();
    let mut engines = vec![(Engine::Sqlite(sqlite), Some(folder))];
    match std::env::var("RINGMAIN_TEST_POSTGRES") {
        // These tests keep nothing outside temporary tables, so any database will do.
        Ok(url) => {
            let postgres = Postgres::open(&url, async |_client| Ok(())).await.unwrap();
            engines.push((Engine::Postgres(postgres), None));
        }
        Err(_) => println!("SKIPPED engine::tests on PostgreSQL: RINGMAIN_TEST_POSTGRES is not set"),
    }
    engines
}

const TABLE: &str = "CREATE TEMPORARY TABLE t (k BIGINT PRIMARY KEY, v TEXT)";

static PUT: Texts = Texts {
    one: "INSERT INTO t (k, v) VALUES ($1, $2) RETURNING k",
    all: "INSERT INTO t (k, v) SELECT * FROM unnest($1::bigint[], $2::text[]) RETURNING k",
};

fn once(sql: &'static str, params: Vec<Param>) -> Statement {
    Statement::once(sql, params)
}

#[tokio::test]
async fn parameters_are_bound_by_their_number_not_by_their_place() {
    for (engine, _folder) in engines().await {
        let sql = "SELECT CAST($3 AS BIGINT) AS c, CAST($1 AS BIGINT) AS a, CAST($2 AS BIGINT) AS b, \
             CAST($3 AS BIGINT) AS d, CAST($1 AS BIGINT) AS e";
        let rows = engine.rows(sql, params![1_i64, 2_i64, 3_i64]).await.unwrap();
        let read = |column: &str| rows[0].int(column).unwrap();
        assert_eq!(["a", "b", "c", "d", "e"].map(read), [1, 2, 3, 3, 1], "{engine:?}");
    }
}

#[tokio::test]
async fn too_few_and_too_many_parameters_are_refused() {
    for (engine, _folder) in engines().await {
        let sql = "SELECT CAST($1 AS BIGINT) AS a";
        for params in [Vec::new(), params![1_i64, 2_i64]] {
            assert!(engine.rows(sql, params).await.is_err(), "{engine:?}");
        }
        let gap = engine.rows("SELECT CAST($2 AS BIGINT) AS a", params![1_i64]).await;
        assert!(gap.is_err(), "{engine:?}");
    }
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_went_in() {
    for (engine, _folder) in engines().await {
        let id = uuid::Uuid::from_u128(7);
        let columns = if engine.is_postgres() {
            "(n BIGINT, i BIGINT, b BOOLEAN, t TEXT, x BYTEA, u UUID, j JSONB)"
        } else {
            "(n INTEGER, i INTEGER, b INTEGER, t TEXT, x BLOB, u TEXT, j TEXT)"
        };
        let table = Statement::once(format!("CREATE TEMPORARY TABLE v {columns}"), Vec::new());
        let values = params![None::<i64>, i64::MIN, true, "ü '\"", b"\0\xff".as_slice(), id, "{\"a\": 1}"];
        let row = engine
            .write(move |tx| {
                Box::pin(async move {
                    tx.run(table).await?;
                    tx.run(once("INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7)", values)).await?;
                    Ok(tx.run(once("SELECT * FROM v", Vec::new())).await?.remove(0))
                })
            })
            .await
            .unwrap();
        assert_eq!(row.int_or_null("n").unwrap(), None);
        assert!(row.int("n").is_err() && row.text("i").is_err() && row.int("nothing").is_err());
        assert_eq!((row.int("i").unwrap(), row.boolean("b").unwrap()), (i64::MIN, true));
        assert!(row.number::<u32>("i").is_err());
        assert_eq!((row.text("t").unwrap(), row.bytes("x").unwrap()), ("ü '\"", vec![0, 255]));
        assert_eq!(row.uuid("u").unwrap(), id);
        assert_eq!(row.json::<serde_json::Value>("j").unwrap(), serde_json::json!({"a": 1}));
    }
}

#[tokio::test]
async fn a_row_of_values_each_and_none_for_none() {
    for (engine, _folder) in engines().await {
        let rows = engine
            .write(|tx| {
                Box::pin(async move {
                    tx.run(once(TABLE, Vec::new())).await?;
                    let none = tx.run(Statement::each(&PUT, Vec::new())).await?;
                    assert!(none.is_empty());
                    let some = vec![params![2_i64, "b"], params![1_i64, None::<&str>], params![3_i64, ""]];
                    let put = tx.run(Statement::each(&PUT, some)).await?;
                    assert_eq!(put.len(), 3);
                    tx.run(once("SELECT v FROM t ORDER BY k", Vec::new())).await
                })
            })
            .await
            .unwrap();
        let texts: Vec<_> = rows.iter().map(|row| row.text_or_null("v").unwrap()).collect();
        assert_eq!(texts, [None, Some("b"), Some("")], "{engine:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_no_trace_and_its_connection_stays_good() {
    for (engine, _folder) in engines().await {
        let name = format!("gone_{}", uuid::Uuid::new_v4().simple());
        let table = format!("CREATE TABLE {name} (k BIGINT PRIMARY KEY)");
        let double = format!("INSERT INTO {name} VALUES (1), (1)");
        let error = engine
            .write(move |tx| {
                Box::pin(async move {
                    tx.run(Statement::once(table, Vec::new())).await?;
                    tx.run(Statement::once(double, Vec::new())).await
                })
            })
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        for _ in 0..20 {
            let rows = engine.rows(format!("SELECT * FROM {name}"), Vec::new()).await;
            // On a server somebody may have moved it, and moves it back.
            let is_told = match rows {
                Err(StoreError::Unavailable { .. }) => engine.is_postgres(),
                Err(StoreError::Corrupt { .. }) => !engine.is_postgres(),
                _ => false,
            };
            assert!(is_told, "there is no such table");
        }
    }
}

#[tokio::test]
async fn an_error_that_was_overlooked_still_commits_nothing() {
    for (engine, _folder) in engines().await {
        if !engine.is_postgres() {
            continue;
        }
        let outcome = engine
            .write(|tx| {
                Box::pin(async move {
                    let wrong = tx.run(once("SELECT 1/0 AS x", Vec::new())).await;
                    assert!(wrong.is_err());
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn work_that_panics_fails_alone() {
    for (engine, _folder) in engines().await {
        let outcome = engine.write(|_tx| -> Work<'_, ()> { panic!("a fault of ours") }).await;
        assert!(outcome.is_err());
        let rows = engine.rows("SELECT CAST($1 AS BIGINT) AS a", params![1_i64]).await.unwrap();
        assert_eq!(rows[0].int("a").unwrap(), 1);
        engine.change("CREATE TEMPORARY TABLE after_panic (k BIGINT)", Vec::new()).await.unwrap();
    }
}

/// Jobs that wait share a commit; one that fails takes nothing with it.
#[tokio::test]
async fn of_writers_that_share_a_commit_each_fails_for_itself() {
    let (engine, _folder) = engines().await.remove(0);
    engine.change("CREATE TABLE shared (k BIGINT PRIMARY KEY)", Vec::new()).await.unwrap();
    let put = |number: i64| {
        let key = number / 2;
        engine.change("INSERT INTO shared VALUES ($1) RETURNING k", params![key])
    };
    let outcomes = futures_util::future::join_all((0..200).map(put)).await;
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(kept, 100);
    let refused =
        |outcome: &Result<Vec<Row>, StoreError>| matches!(outcome, Err(StoreError::Conflict { .. }));
    assert_eq!(outcomes.iter().filter(|outcome| refused(outcome)).count(), 100);
    let rows = engine.rows("SELECT count(*) AS n FROM shared", Vec::new()).await.unwrap();
    assert_eq!(rows[0].int("n").unwrap(), 100);
}

/// A writer of another process holds the file for longer than we wait.
#[tokio::test]
async fn a_file_that_another_process_holds_is_unavailable_until_it_is_free() {
    let (engine, folder) = engines().await.remove(0);
    let path = folder.as_ref().unwrap().path().join("store.db");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let count = || engine.rows("SELECT value FROM counters", Vec::new());
    assert_eq!(count().await.unwrap().len(), 1, "readers do not wait for writers");
    let outcomes = futures_util::future::join_all(
        (0..3).map(|_| engine.change("UPDATE counters SET value = value + 1", Vec::new())),
    )
    .await;
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    engine.change("UPDATE counters SET value = value + 1", Vec::new()).await.unwrap();
    assert_eq!(count().await.unwrap()[0].int("value").unwrap(), 1);
}

/// A full disk ends the transaction by itself; what shared it is told, and the next one works.
#[tokio::test]
async fn a_full_disk_is_unavailable_and_harmless() {
    let (engine, _folder) = engines().await.remove(0);
    engine.change("CREATE TABLE big (v BLOB)", Vec::new()).await.unwrap();
    let pages = engine.change("PRAGMA page_count", Vec::new()).await.unwrap()[0].int("page_count").unwrap();
    engine.change(format!("PRAGMA max_page_count = {}", pages + 4), Vec::new()).await.unwrap();
    let put = |bytes: i64| engine.change("INSERT INTO big VALUES (zeroblob($1))", params![bytes]);
    let outcomes = futures_util::future::join_all([put(10), put(1_000_000), put(10)]).await;
    assert!(matches!(outcomes[1], Err(StoreError::Unavailable { .. })), "{outcomes:?}");
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(outcome, StoreError::Unavailable { .. }), "{outcome}");
    }
    put(10).await.unwrap();
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count() + 1;
    let rows = engine.rows("SELECT count(*) AS n FROM big", Vec::new()).await.unwrap();
    assert_eq!(usize::try_from(rows[0].int("n").unwrap()).unwrap(), stored);
}

/// The server gives up on a statement before we give up on the server.
#[tokio::test]
async fn a_statement_that_takes_too_long_is_unavailable() {
    let mut engines = engines().await;
    let Some((engine, _folder)) = engines.pop().filter(|(engine, _)| engine.is_postgres()) else { return };
    let error = engine.rows("SELECT 1 AS x FROM pg_sleep(60)", Vec::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("57014"), "{error}");
    let rows = engine.rows("SELECT CAST($1 AS BIGINT) AS a", params![1_i64]).await.unwrap();
    assert_eq!(rows[0].int("a").unwrap(), 1);
}

/// A connection that dies before the commit has written nothing; one that dies with it may have.
#[tokio::test]
async fn a_connection_that_dies_says_what_may_have_happened() {
    let mut engines = engines().await;
    let Some((engine, _folder)) = engines.pop().filter(|(engine, _)| engine.is_postgres()) else { return };
    let die = "SELECT pg_terminate_backend(pg_backend_pid()) AS x";
    let before = engine.write(move |tx| Box::pin(async move { tx.run(once(die, Vec::new())).await })).await;
    assert!(matches!(before, Err(StoreError::Unavailable { .. })), "{before:?}");
    let with = engine.change(die, Vec::new()).await;
    assert!(matches!(with, Err(StoreError::Unknown { .. })), "{with:?}");
    let rows = engine.rows("SELECT CAST($1 AS BIGINT) AS a", params![1_i64]).await.unwrap();
    assert_eq!(rows[0].int("a").unwrap(), 1, "the pool finds another one");
}

/// A table walled as those of tenants are, also for its owner, who these tests run as.
async fn walled(engine: &Engine) -> String {
    let name = format!("walled_{}", uuid::Uuid::new_v4().simple());
    let policy = "USING (tenant = ANY (CAST((SELECT string_to_array(current_setting('ringmain.tenants', TRUE), chr(31))) AS TEXT[])) \
         OR (SELECT current_setting('ringmain.tenants', TRUE) = chr(31)))";
    for sql in [
        format!("CREATE TABLE {name} (tenant TEXT)"),
        format!("INSERT INTO {name} VALUES ('a'), ('b'), ('c')"),
        format!("CREATE POLICY tenants ON {name} {policy}"),
        format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"),
    ] {
        engine.change(sql, Vec::new()).await.unwrap();
    }
    name
}

#[tokio::test]
async fn a_query_that_forgets_its_tenant_finds_nothing() {
    let tenant = |id| ringmain_domain::id::TenantId::new(id).unwrap();
    for (engine, _folder) in engines().await.into_iter().filter(|(engine, _)| engine.is_postgres()) {
        let table = walled(&engine).await;
        let count = format!("SELECT count(*) AS n FROM {table}");
        let named = format!("{count} WHERE tenant <> $1");
        let seen = async |statement: Statement| {
            let rows = engine.read(vec![statement]).await.unwrap();
            rows[0][0].int("n").unwrap()
        };
        // More often than there are connections: none remembers who had it before.
        for _ in 0..20 {
            assert_eq!(seen(Statement::once(count.clone(), Vec::new()).across()).await, 3);
            assert_eq!(seen(Statement::once(count.clone(), Vec::new())).await, 0);
            assert_eq!(seen(Statement::once(named.clone(), params![&tenant("a")])).await, 0);
            assert_eq!(seen(Statement::once(named.clone(), params!["a"])).await, 0, "a text is no tenant");
        }
        let sql = count.clone();
        let in_order = engine.write(move |tx| {
            Box::pin(async move {
                let mut seen = Vec::new();
                let all = || Statement::once(sql.clone(), Vec::new());
                let of = |id| {
                    let sql = format!("{sql} WHERE tenant = $1 OR TRUE");
                    Statement::once(sql, params![&tenant(id)])
                };
                for statement in [all(), of("a"), of("b"), all().across(), all()] {
                    seen.push(tx.run(statement).await?[0].int("n")?);
                }
                Ok(seen)
            })
        });
        assert_eq!(in_order.await.unwrap(), [0, 1, 2, 3, 2], "the door shuts behind a statement");
        let foreign = format!("INSERT INTO {table} SELECT 'b' WHERE $1 <> ''");
        let refused = engine.change(foreign, params![&tenant("a")]).await.unwrap_err();
        assert!(refused.to_string().contains("42501"), "{refused}");
        engine.change(format!("DROP TABLE {table}"), Vec::new()).await.unwrap();
    }
}

/// However many read and wait, who writes finds a connection: the lease must be renewed, facts must be committed.
#[tokio::test]
async fn readers_never_take_the_last_connections() {
    for (engine, _folder) in engines().await {
        if !engine.is_postgres() {
            continue;
        }
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        let (taken, is_taken) = tokio::sync::oneshot::channel::<()>();
        let hold = engine.write(move |tx| {
            Box::pin(async move {
                tx.run(once("SELECT 1 AS one FROM pg_advisory_xact_lock(7340611)", Vec::new())).await?;
                taken.send(()).unwrap();
                held.await.unwrap();
                Ok(())
            })
        });
        let read = || {
            engine.read(vec![once("SELECT 1 AS one FROM pg_advisory_xact_lock_shared(7340611)", Vec::new())])
        };
        let reads = futures_util::future::join_all((0..40).map(|_| read()));
        let looks = async {
            is_taken.await.unwrap();
            let sql = "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND objid = 7340611 AND NOT granted";
            while engine.change(sql, Vec::new()).await.unwrap()[0].int("waiting").unwrap() < 12 {
                tokio::task::yield_now().await;
            }
            for _ in 0..20 {
                engine.change("SELECT 1 AS one", Vec::new()).await.unwrap();
            }
            release.send(()).unwrap();
        };
        let (held, reads, ()) = tokio::join!(hold, reads, looks);
        held.unwrap();
        assert!(reads.iter().all(Result::is_ok), "all waited for their turn: {reads:?}");
    }
}
