//! `ringmain archive`: months of facts that are over go into files, and out of the database.
//!
//! A command of its own and never a node's chore: it needs the role that owns the schema, and somebody who keeps the files.

use anyhow::Context as _;
use ringmain_domain::time::Timestamp;
use ringmain_store::retention::OVER_MS;
use ringmain_store::retention::archive::ArchiveFolder;
use ringmain_store::store::Store;

use crate::cli::ArchiveArgs;

/// Archives what the arguments name, the oldest first, and tells of each part.
///
/// # Errors
/// What the operator must mend; what was told until then is done.
pub async fn run(
    store: &Store,
    args: &ArchiveArgs,
    now: Timestamp,
    mut tell: impl FnMut(String),
) -> anyhow::Result<()> {
    let before = beginning_of(&args.before)?;
    // What comes now belongs to the month that goes on, and for a while to the one before.
    anyhow::ensure!(
        before.plus_millis(OVER_MS) <= now,
        "--before {} is too early: a month is archived when it has been over for a day",
        args.before
    );
    let folder = ArchiveFolder::open(&args.to)?;
    let partitions = store.partitions().await.context("list the months")?;
    let due = partitions
        .iter()
        .filter(|one| one.to <= before)
        .filter(|one| args.facts.is_empty() || args.facts.iter().any(|fact| **fact == *one.fact));
    let mut is_idle = true;
    for partition in due {
        is_idle = false;
        // What is to be dropped is taken out first: nothing comes into it while it is read.
        let partition =
            &if args.keep { partition.clone() } else { store.detach_partition(partition, now).await? };
        let archived = store.archive_partition(partition, &folder).await?;
        let (rows, file) = (archived.rows, archived.path.display());
        tell(format!(
            "{}: {rows} rows in {file}, sha256 of their values {}",
            partition.name, archived.sha256
        ));
        if !args.keep {
            store.drop_partition(partition, &archived).await?;
            tell(format!("{}: dropped, {} bytes", partition.name, partition.bytes));
        }
    }
    if is_idle {
        tell(format!("nothing is older than {}", args.before));
    }
    Ok(())
}

/// The first instant of a month, `YYYY-MM`.
fn beginning_of(month: &str) -> anyhow::Result<Timestamp> {
    let is_short = month.len() == "YYYY-MM".len();
    let beginning = Timestamp::parse(&format!("{month}-01T00:00:00Z"));
    beginning.ok().filter(|_| is_short).with_context(|| format!("{month:?} is no month: YYYY-MM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_with_its_first_day() {
        assert_eq!(beginning_of("2026-12").unwrap(), Timestamp::parse("2026-12-01T00:00:00Z").unwrap());
        for wrong in ["2026-13", "2026-1", "2026-12-01", "2026", "", "12-2026"] {
            assert!(beginning_of(wrong).is_err(), "{wrong:?}");
        }
    }
}
