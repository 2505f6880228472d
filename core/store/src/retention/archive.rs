//! A partition into a Parquet file, read back before anybody believes it.

use std::path::{Path, PathBuf};

use crate::engine::param::params;
use crate::retention::file::{self, FactFile};
use crate::retention::{Partition, shape};
use crate::store::{Store, StoreError};

/// Rows that are read at a time: a frame may have 16 KiB.
const AT_ONCE: u32 = 1_000;

/// A partition that is in a file. Only an archive makes one, so nothing is dropped that is in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Where it is.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
    /// Over the values of all rows, the same for what was read from the database and from the file.
    pub sha256: String,
    pub(super) name: Box<str>,
}

impl Store {
    /// Writes a partition to `FOLDER/NAME.parquet`, reads the file through, and only then gives it its name. It is for a command line: the
    /// calling thread waits for the disk.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the role does not own the partition, or a file of that name holds something else.
    /// [`StoreError::Unavailable`]: the file cannot be written or read. [`StoreError::Corrupt`]: the file holds something else than was
    /// written to it.
    pub async fn archive_partition(
        &self,
        partition: &Partition,
        folder: &Path,
    ) -> Result<Archived, StoreError> {
        if !partition.is_ours {
            return Err(StoreError::conflict("only the role that owns the schema archives: use its URL"));
        }
        let shape = shape::of(&partition.fact)?;
        let path = folder.join(format!("{}.parquet", partition.name));
        let partial = path.with_extension("parquet.partial");
        let mut file = FactFile::create(&partial, shape)?;
        let (table, order) = (format!("months.{}", partition.name), shape.key.join(", "));
        let mut behind = None;
        loop {
            let select = shape::after(&table, shape.key, &shape.names(), behind.as_ref())?
                .tail(&format!("ORDER BY {order} LIMIT ?"), params![AT_ONCE]);
            let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
            for row in &rows {
                file.push(row)?;
            }
            behind = rows.into_iter().next_back();
            if behind.is_none() {
                break;
            }
        }
        let written = file.close()?;
        if file::read(&partial, shape)? != written {
            return Err(StoreError::corrupt(format!("{} does not hold what was written", partial.display())));
        }
        let kept = || -> std::io::Result<()> {
            std::fs::rename(&partial, &path)?;
            // The name, too, has to be on the disk.
            std::fs::File::open(folder)?.sync_all()
        };
        if path.exists() && file::read(&path, shape)? != written {
            return Err(StoreError::conflict(format!(
                "{} holds something else: move it away",
                path.display()
            )));
        }
        kept().map_err(|error| StoreError::unavailable(format!("archive {}: {error}", path.display())))?;
        Ok(Archived { path, rows: written.rows, sha256: written.sha256, name: partition.name.clone() })
    }
}
